#include "auth/secret.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdexcept>

namespace relais::auth {
namespace {

const unsigned char* octets_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets_of(std::string& text) noexcept {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

void wipe(std::string& text) noexcept {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_octets(std::size_t count) {
  std::string made(count, '\0');
  if (RAND_bytes(octets_of(made), static_cast<int>(count)) != 1) {
    throw std::runtime_error("OpenSSL has no random octets");
  }
  return made;
}

std::string sha256(std::string_view octets) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(octets_of(octets), octets.size(), octets_of(digest));
  return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view octets) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  unsigned length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets_of(octets), octets.size(),
           octets_of(digest), &length) == nullptr) {
    throw std::runtime_error("OpenSSL cannot compute an HMAC");
  }
  return digest;
}

std::string pbkdf2_sha256(std::string_view password, std::string_view salt, unsigned iterations) {
  std::string derived(SHA256_DIGEST_LENGTH, '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets_of(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(derived.size()), octets_of(derived)) != 1) {
    throw std::runtime_error("OpenSSL cannot derive a key");
  }
  return derived;
}

}  // namespace relais::auth
