// Accounts for AUTH in the simulated world: the users file of the relay, written to a directory of
// its own that goes with the process. Hashes are cheap, as each login of a test computes one.
#pragma once

#include <string>

#include "support/relay_scene.hpp"

namespace relais::testing {

/// Password of all: "secret". joe may send as joe@c.test, jane@c.test as herself; "shut" is
/// disabled; "scrammer" has no hash, only a SCRAM record. AUTH is offered in clear.
void with_users(relay_scene& scene);
/// The keys of which the tokens below are.
void with_tokens(relay_scene& scene);

/// Instead: Dovecot's auth service, which has that answer to each login: "OK\t1\n".
void with_dovecot(relay_scene& scene, std::string answer);

/// Base64 of NUL user NUL password.
std::string plain(const std::string& user, const std::string& password);

/// XOAUTH2 responses of joe@c.test, base64: for us, and for another service.
std::string token_for_us();
std::string token_for_another();

}  // namespace relais::testing
