#include "auth/password_hash.hpp"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "base/text.hpp"

namespace relais::auth {
namespace {

constexpr std::string_view argon2_prefix = "$argon2id$";
constexpr std::size_t longest_password = CRYPT_MAX_PASSPHRASE_SIZE;
constexpr std::uint64_t largest_argon2_memory = 1 << 20;  // KiB

// The second choice of RFC 9106 4, which suits a machine that does other work besides.
constexpr std::uint32_t argon2_passes = 3, argon2_memory = 64 << 10, argon2_lanes = 1;
constexpr std::size_t argon2_salt = 16, argon2_tag = 32;

struct named_prefix {
  std::string_view prefix, name;
};
constexpr std::array prefixes{named_prefix{"$y$", "yescrypt"},
                              named_prefix{"$gy$", "gost-yescrypt"}, named_prefix{"$2", "bcrypt"},
                              named_prefix{"$6$", "sha512"}, named_prefix{"$7$", "scrypt"}};

bool is_sane_argon2(std::string_view hash) {
  // $argon2id$v=19$m=65536,t=3,p=1$salt$tag
  const auto parts = split(hash, '$');
  if (parts.size() != 6 || parts[4].empty() || parts[5].empty()) return false;
  const auto parameters = split(parts[3], ',');
  if (parameters.size() != 3 || !parameters[0].starts_with("m=")) return false;
  const auto memory = parse_number(parameters[0].substr(2));
  return memory && *memory <= largest_argon2_memory;
}

std::string libcrypt_hash(const secret& password, const char* prefix, unsigned long cost) {
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  if (crypt_gensalt_rn(prefix, cost, nullptr, 0, setting.data(), setting.size()) == nullptr) {
    throw std::runtime_error("libcrypt cannot make a salt");
  }
  const auto work = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), setting.data(), work.get());
  if (made == nullptr || *made == '*')
    throw std::runtime_error("libcrypt cannot hash this password");
  return made;
}

std::string argon2_hash(const secret& password) {
  const auto salt = random_octets(argon2_salt);
  std::array<char, 256> encoded{};
  const auto text = password.text();
  const int failed =
      argon2id_hash_encoded(argon2_passes, argon2_memory, argon2_lanes, text.data(), text.size(),
                            salt.data(), salt.size(), argon2_tag, encoded.data(), encoded.size());
  if (failed != ARGON2_OK) throw std::runtime_error(argon2_error_message(failed));
  return encoded.data();
}

}  // namespace

std::optional<hash_scheme> parse_hash_scheme(std::string_view name) noexcept {
  if (name == "yescrypt") return hash_scheme::yescrypt;
  if (name == "bcrypt") return hash_scheme::bcrypt;
  if (name == "sha512") return hash_scheme::sha512;
  if (name == "argon2") return hash_scheme::argon2;
  return {};
}

std::string_view scheme_of_hash(const std::string& hash) {
  if (hash.starts_with(argon2_prefix)) return is_sane_argon2(hash) ? "argon2" : "";
  if (crypt_checksalt(hash.c_str()) != CRYPT_SALT_OK) return "";
  for (const auto& p : prefixes) {
    if (hash.starts_with(p.prefix)) return p.name;
  }
  return "";
}

std::string hash_password(const secret& password, hash_scheme scheme) {
  if (password.text().size() >= longest_password ||
      password.text().find('\0') != std::string_view::npos) {
    throw std::runtime_error("a password has at most 511 octets, and no NUL");
  }
  switch (scheme) {
    case hash_scheme::yescrypt: return libcrypt_hash(password, "$y$", 0);
    case hash_scheme::bcrypt: return libcrypt_hash(password, "$2b$", 12);
    case hash_scheme::sha512: return libcrypt_hash(password, "$6$", 0);
    case hash_scheme::argon2: break;
  }
  return argon2_hash(password);
}

bool password_matches(const secret& password, const std::string& hash) {
  const auto text = password.text();
  if (text.size() >= longest_password || text.find('\0') != std::string_view::npos) return false;
  if (hash.starts_with(argon2_prefix)) {
    return argon2id_verify(hash.c_str(), text.data(), text.size()) == ARGON2_OK;
  }
  const auto work = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), work.get());
  const bool same = made != nullptr && *made != '*' && equal_in_constant_time(made, hash);
  OPENSSL_cleanse(work.get(), sizeof *work);
  return same;
}

const std::string& decoy_hash() noexcept {
  // A well-formed yescrypt hash of nothing.
  static const std::string hash =
      "$y$j9T$imPkshOMrqpdpUts/CAWG1$0000000000000000000000000000000000000000000";
  return hash;
}

}  // namespace relais::auth
