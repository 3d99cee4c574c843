// What a tls_engine tells of a connection once the handshake is done: version and cipher, names,
// the peer's certificate, channel bindings (RFC 5929, 9266).
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/text.hpp"
#include "net/tls_engine.hpp"

namespace relais::net {
namespace {

struct free_emails {
  void operator()(STACK_OF(OPENSSL_STRING) * names) const noexcept { X509_email_free(names); }
};

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name;
}

std::string digest_of(const X509* certificate, const EVP_MD* digest) {
  unsigned char octets[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, digest, octets, &size) != 1) return {};
  return {reinterpret_cast<const char*>(octets), size};
}

}  // namespace

std::string tls_engine::version() const {
  if (!SSL_is_init_finished(ssl_.get())) return {};
  return SSL_get_version(ssl_.get());
}

std::string tls_engine::description() const {
  const auto* cipher = SSL_get_current_cipher(ssl_.get());
  if (cipher == nullptr || !SSL_is_init_finished(ssl_.get())) return {};
  int algorithm_bits = 0;
  const int bits = SSL_CIPHER_get_bits(cipher, &algorithm_bits);
  return version() + " with cipher " + SSL_CIPHER_get_name(cipher) + " (" + std::to_string(bits) +
         '/' + std::to_string(algorithm_bits) + " bits)";
}

std::string tls_engine::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string tls_engine::peer_fingerprint() const {
  const X509* peer = SSL_get0_peer_certificate(ssl_.get());
  if (peer == nullptr || !SSL_is_init_finished(ssl_.get())) return {};
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : digest_of(peer, EVP_sha256())) {
    const auto octet = static_cast<unsigned char>(c);
    hex += digits[octet >> 4];
    hex += digits[octet & 15];
  }
  return hex;
}

std::string tls_engine::peer_identity() const {
  X509* peer = SSL_get0_peer_certificate(ssl_.get());
  if (peer == nullptr || !SSL_is_init_finished(ssl_.get())) return {};
  if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
  const std::unique_ptr<STACK_OF(OPENSSL_STRING), free_emails> emails(X509_get1_email(peer));
  std::string name;
  if (emails && sk_OPENSSL_STRING_num(emails.get()) > 0) {
    name = sk_OPENSSL_STRING_value(emails.get(), 0);
  } else {
    name = common_name(peer);
  }
  return std::ranges::any_of(name, is_control) ? std::string() : name;
}

std::string tls_engine::tls_exporter() const {
  if (!SSL_is_init_finished(ssl_.get())) return {};
  // RFC 9266 3: TLS 1.2 and older only with the extended master secret, else it is not unique.
  const bool unique =
      SSL_version(ssl_.get()) >= TLS1_3_VERSION ||
      (SSL_version(ssl_.get()) == TLS1_2_VERSION && SSL_get_extms_support(ssl_.get()) == 1);
  if (!unique) return {};
  static constexpr std::string_view label = "EXPORTER-Channel-Binding";
  unsigned char key[32];
  if (SSL_export_keying_material(ssl_.get(), key, sizeof key, label.data(), label.size(), nullptr,
                                 0, 0) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(key), sizeof key};
}

std::string tls_engine::tls_end_point() const {
  if (!SSL_is_init_finished(ssl_.get()) || is_resumed()) return {};
  X509* own = SSL_get_certificate(ssl_.get());
  if (own == nullptr) return {};
  int hash = NID_undef;
  X509_get_signature_info(own, &hash, nullptr, nullptr, nullptr);
  // RFC 5929 4.1: MD5 and SHA-1 count as SHA-256; signatures without a hash have no binding.
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  const EVP_MD* digest = hash != NID_undef ? EVP_get_digestbynid(hash) : nullptr;
  return digest != nullptr ? digest_of(own, digest) : std::string();
}

bool tls_engine::has_input() const noexcept {
  return octets_.consumed < octets_.in.size() || SSL_has_pending(ssl_.get()) == 1;
}

tls_session tls_engine::resumable() const {
  if (!SSL_is_init_finished(ssl_.get())) return {};
  tls_session latest(SSL_get1_session(ssl_.get()));
  if (latest && SSL_SESSION_is_resumable(latest.get()) != 1) latest.reset();
  return latest;
}

bool tls_engine::is_resumed() const noexcept {
  return SSL_session_reused(ssl_.get()) == 1;
}

}  // namespace relais::net
