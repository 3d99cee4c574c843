// Hashes of passwords as users files hold them: what libcrypt knows and calls strong (yescrypt,
// bcrypt, sha512-crypt...), and argon2id. Computing one takes long on purpose: never on a worker.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "auth/secret.hpp"

namespace relais::auth {

enum class hash_scheme : std::uint8_t { yescrypt, bcrypt, sha512, argon2 };

std::optional<hash_scheme> parse_hash_scheme(std::string_view name) noexcept;

/// "yescrypt", "bcrypt", "sha512", "argon2", "scrypt"...; "" if the text is no hash that is
/// accepted: unknown, too weak (MD5, DES), or made to eat memory (argon2 above 1 GiB).
std::string_view scheme_of_hash(const std::string& hash);

/// With a fresh salt. Throws std::runtime_error.
std::string hash_password(const secret& password, hash_scheme scheme);

/// Passwords above 512 octets never match: libcrypt takes no longer ones.
bool password_matches(const secret& password, const std::string& hash);

/// A hash that nothing matches, which takes as long as a usual one: for users that do not exist.
const std::string& decoy_hash() noexcept;

}  // namespace relais::auth
