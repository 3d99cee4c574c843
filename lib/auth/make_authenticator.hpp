// Builds the authenticator of one worker from the configuration.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>

#include "auth/authenticator.hpp"
#include "auth/blocking.hpp"
#include "auth/failure_book.hpp"
#include "config/settings.hpp"
#include "dns/resolver.hpp"

namespace relais::auth {

/// What an authenticator works with; all of it outlives it, and it outlives its logins.
struct surroundings {
  const net::runtime& world;
  dns::resolver& resolver;
  /// For https of the introspection endpoint; certificates are verified. May be null without one.
  SSL_CTX* client_tls = nullptr;
  failure_book& failures;                 ///< of all workers
  run_blocking run;                       ///< for hashing and PAM
  std::function<void(std::string)> warn;  ///< one sentence, of any configured file
};

/// The files that are configured are read here for the first time: mistakes are warned about.
std::unique_ptr<authenticator> make_authenticator(const config::auth_settings& settings,
                                                  surroundings around);

}  // namespace relais::auth
