#include "tls/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

namespace relais::tls {
namespace {

// Where a context keeps the address of its keys.
int slot() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool use_mac(EVP_MAC_CTX* mac, std::array<unsigned char, 32>& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

template <class Key>
void wipe(std::optional<Key>& key) {
  if (!key) return;
  OPENSSL_cleanse(&*key, sizeof *key);
  key.reset();
}

// What OpenSSL understands of its callback.
constexpr int failed = -1;
constexpr int unknown_key = 0;  // a full handshake, then
constexpr int usable = 1;
constexpr int usable_and_spent = 2;  // a new ticket follows

}  // namespace

ticket_keys::~ticket_keys() {
  wipe(current_);
  wipe(previous_);
}

void ticket_keys::serve(SSL_CTX* context) {
  SSL_CTX_set_ex_data(context, slot(), this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, answer);
  // What a ticket says of its age; behind it the key is gone at any rate.
  SSL_CTX_set_timeout(context, std::chrono::ceil<std::chrono::seconds>(period_).count());
}

int ticket_keys::answer(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int sealing) {
  auto& keys = *static_cast<ticket_keys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot()));
  const std::lock_guard lock(keys.mutex_);
  if (!keys.rotate()) return failed;
  if (sealing != 0) return keys.seal(name, iv, cipher, mac);
  const int opened = keys.open(name, iv, cipher, mac);
  // With TLS 1.3 a client uses a ticket once (RFC 8446 C.4): without another it could not come
  // back.
  return opened == usable && SSL_version(ssl) >= TLS1_3_VERSION ? usable_and_spent : opened;
}

bool ticket_keys::rotate() {
  const auto now = time_.now();
  if (current_ && now - current_->made < period_) return true;
  wipe(previous_);
  // After a long silence the last key is too old even for that.
  if (current_ && now - current_->made < 2 * period_) previous_ = current_;
  wipe(current_);
  key fresh{};
  fresh.made = now;
  const bool made = RAND_bytes(fresh.name.data(), fresh.name.size()) == 1 &&
                    RAND_priv_bytes(fresh.cipher.data(), fresh.cipher.size()) == 1 &&
                    RAND_priv_bytes(fresh.mac.data(), fresh.mac.size()) == 1;
  if (made) current_ = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return made;
}

int ticket_keys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) {
  const auto* kind = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1) return failed;
  std::ranges::copy(current_->name, name);
  if (EVP_EncryptInit_ex2(cipher, kind, current_->cipher.data(), iv, nullptr) != 1) return failed;
  return use_mac(mac, current_->mac) ? usable : failed;
}

int ticket_keys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) {
  const auto is_named = [name](const std::optional<key>& k) {
    return k && std::equal(k->name.begin(), k->name.end(), name);
  };
  const bool old = is_named(previous_);
  if (!old && !is_named(current_)) return unknown_key;
  auto& found = old ? *previous_ : *current_;
  if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), found.cipher.data(), iv, nullptr) != 1) {
    return failed;
  }
  if (!use_mac(mac, found.mac)) return failed;
  return old ? usable_and_spent : usable;
}

}  // namespace relais::tls
