#include "tls/server_context.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/text.hpp"
#include "tls/certificate.hpp"
#include "tls/ticket_keys.hpp"

namespace relais::tls {
namespace {

using config::tls_version;

// Forward secrecy for everybody (RFC 9325 4.1); devices that need old versions need plain RSA, too.
constexpr const char* good_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES"
    ":!aNULL:!eNULL:!PSK:!SRP:!DSS:!AESCCM8";
constexpr const char* old_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:AES:3DES"
    ":!aNULL:!eNULL:!PSK:!SRP:!DSS:!AESCCM8";
constexpr const char* groups = "X25519:P-256:P-384";
// A chain of a client's; OpenSSL's own limit is 100 KiB.
constexpr long longest_client_chain = 32 * 1024;

int number_of(tls_version v) {
  switch (v) {
    case tls_version::v1_0: return TLS1_VERSION;
    case tls_version::v1_1: return TLS1_1_VERSION;
    case tls_version::v1_3: return TLS1_3_VERSION;
    case tls_version::v1_2:
    case tls_version::automatic: break;
  }
  return TLS1_2_VERSION;
}

// What was read together. Contexts keep it alive, and connections their context.
struct generation {
  std::vector<certificate> certificates;
  std::unique_ptr<X509_STORE, free_openssl> client_authorities;
  std::string client_authorities_text;
  std::shared_ptr<ticket_keys> tickets;  // null: none
};

void forget(void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<std::shared_ptr<const generation>> gone(
      static_cast<std::shared_ptr<const generation>*>(kept));
}

int slot() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, forget);
  return index;
}

// For each kind of key the certificate that fits best; those listed first win. What no certificate
// fits is served with the first one, and those of other kinds that stand for the same name.
std::vector<const certificate*> choose(const std::vector<certificate>& all, std::string_view name) {
  for (const auto wanted : {fit::exact, fit::wildcard}) {
    std::vector<const certificate*> chosen;
    for (const auto& c : all) {
      const bool have = std::ranges::any_of(
          chosen, [&c](const certificate* other) { return other->key_type() == c.key_type(); });
      if (!have && c.fits(name) == wanted) chosen.push_back(&c);
    }
    if (!chosen.empty()) return chosen;
  }
  std::vector<const certificate*> chosen{&all.front()};
  for (const auto& c : all) {
    const bool same_names = std::ranges::any_of(
        c.names, [&all](const std::string& n) { return all.front().fits(n) == fit::exact; });
    const bool have = std::ranges::any_of(
        chosen, [&c](const certificate* other) { return other->key_type() == c.key_type(); });
    if (!have && same_names) chosen.push_back(&c);
  }
  return chosen;
}

int choose_for(SSL* ssl, void*) noexcept {
  const auto& from = **static_cast<std::shared_ptr<const generation>*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot()));
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  std::string_view name = asked != nullptr ? asked : "";
  if (name.ends_with('.')) name.remove_suffix(1);
  try {
    SSL_certs_clear(ssl);
    for (const auto* c : choose(from.certificates, name)) {
      if (SSL_use_cert_and_key(ssl, c->leaf.get(), c->key.get(), c->chain.get(), 1) != 1) return 0;
    }
  } catch (...) {
    return 0;
  }
  return 1;
}

// Who has no certificate that we believe is a stranger, not an attacker: the result is looked up
// later (net::tls_engine::peer_identity).
int verify_and_go_on(X509_STORE_CTX* context, void*) noexcept {
  if (X509_verify_cert(context) != 1 && X509_STORE_CTX_get_error(context) == X509_V_OK) {
    X509_STORE_CTX_set_error(context, X509_V_ERR_UNSPECIFIED);
  }
  return 1;
}

void ask_for_certificates(SSL_CTX* context, const generation& from) {
  // No names of authorities are sent: certificates that only have a known fingerprint are welcome.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, nullptr);
  SSL_CTX_set_cert_verify_callback(context, verify_and_go_on, nullptr);
  SSL_CTX_set_max_cert_list(context, longest_client_chain);
  if (from.client_authorities) SSL_CTX_set1_cert_store(context, from.client_authorities.get());
}

// A session may only go on where the same is believed of clients and the same is demanded.
bool set_session_id_context(SSL_CTX* context, const generation& from, int minimum, bool ask) {
  const auto text = std::to_string(minimum) + (ask ? " asks " : " ") +
                    (ask ? from.client_authorities_text : std::string());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  return EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1 &&
         SSL_CTX_set_session_id_context(context, digest, size) == 1;
}

void set_tickets(SSL_CTX* context, const generation& from) {
  // Nothing is kept here for sessions that may never come back.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (from.tickets) {
    SSL_CTX_set_num_tickets(context, 1);
    from.tickets->serve(context);
  } else {
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }
}

// Null: `why` has a sentence.
std::shared_ptr<SSL_CTX> make_context(const std::shared_ptr<const generation>& from,
                                      const config::tls_settings& settings, tls_version minimum,
                                      bool ask, std::string& why) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> made(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!made) {
    why = "OpenSSL cannot make a TLS context";
    return nullptr;
  }
  auto* c = made.get();
  const int version = number_of(minimum);
  const bool old = version < TLS1_2_VERSION;
  // Signatures with SHA-1, which these versions know only, are below any other level.
  if (old) SSL_CTX_set_security_level(c, 0);
  const auto* ciphers = old ? old_ciphers : good_ciphers;
  if (!settings.ciphers.empty()) ciphers = settings.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(c, ciphers) != 1) {
    why = "tls.ciphers \"" + settings.ciphers + "\" cannot be used: " + openssl_reason();
    return nullptr;
  }
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_dh_auto(c, 1);
  const bool set =
      SSL_CTX_set_min_proto_version(c, version) == 1 && SSL_CTX_set_max_proto_version(c, 0) == 1 &&
      SSL_CTX_set1_groups_list(c, groups) == 1 && set_session_id_context(c, *from, version, ask);
  if (!set) {
    why = "OpenSSL cannot make a TLS context: " + openssl_reason();
    return nullptr;
  }
  // Here only to see whether OpenSSL takes them; each connection gets those of its name.
  for (const auto& own : from->certificates) {
    if (SSL_CTX_use_cert_and_key(c, own.leaf.get(), own.key.get(), own.chain.get(), 1) == 1)
      continue;
    why = "the certificate in " + own.file + " cannot be used: " + openssl_reason();
    return nullptr;
  }
  set_tickets(c, *from);
  if (ask) ask_for_certificates(c, *from);
  auto kept = std::make_unique<std::shared_ptr<const generation>>(from);
  if (SSL_CTX_set_ex_data(c, slot(), kept.get()) != 1) return nullptr;
  kept.release();
  SSL_CTX_set_cert_cb(c, choose_for, nullptr);
  return made;
}

std::shared_ptr<const generation> read_all(const config::tls_settings& settings,
                                           std::shared_ptr<ticket_keys> tickets, std::string& why) {
  const auto made = std::make_shared<generation>();
  made->tickets = std::move(tickets);
  for (const auto& files : settings.certificates) {
    auto loaded = load_certificate(files, why);
    if (!loaded) return nullptr;
    made->certificates.push_back(std::move(*loaded));
  }
  if (settings.client_ca_file.empty()) return made;
  const auto text = read_small_file(settings.client_ca_file, why);
  if (!text) return nullptr;
  made->client_authorities_text = *text;
  made->client_authorities.reset(X509_STORE_new());
  if (!made->client_authorities ||
      X509_STORE_load_file(made->client_authorities.get(), settings.client_ca_file.c_str()) != 1) {
    why = settings.client_ca_file + " holds no certificates that can be read: " + openssl_reason();
    return nullptr;
  }
  return made;
}

class file_certificates final : public server_certificates {
 public:
  file_certificates(config::tls_settings settings, const clock& time)
      : settings_(std::move(settings)), time_(time) {
    if (settings_.ticket_rotation > duration{}) {
      tickets_ = std::make_shared<ticket_keys>(time_, settings_.ticket_rotation);
    }
  }

  bool is_empty() const noexcept override { return settings_.certificates.empty(); }

  std::shared_ptr<SSL_CTX> context(tls_version minimum, bool ask) override {
    if (is_empty()) return nullptr;
    if (minimum == tls_version::automatic) minimum = settings_.minimum_version;
    const std::lock_guard lock(mutex_);
    auto& found = contexts_[{minimum, ask}];
    std::string why;
    if (!found) found = make_context(current_, settings_, minimum, ask, why);
    return found;
  }

  std::string reload() override {
    std::string why;
    if (is_empty()) return why;
    const auto fresh = read_all(settings_, tickets_, why);
    if (!fresh) return why;
    // What every listener will need at the least; a certificate that OpenSSL refuses shows here.
    for (const bool ask : {false, true}) {
      if (!make_context(fresh, settings_, settings_.minimum_version, ask, why)) return why;
    }
    const std::lock_guard lock(mutex_);
    current_ = fresh;
    contexts_.clear();
    return {};
  }

  std::vector<std::string> warnings() override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    if (!current_) return all;
    for (const auto& c : current_->certificates) {
      auto sentence = expiry_warning(c, time_.wall());
      if (!sentence.empty()) all.push_back(std::move(sentence));
    }
    return all;
  }

 private:
  const config::tls_settings settings_;
  const clock& time_;
  std::shared_ptr<ticket_keys> tickets_;  // the same across reloads
  std::mutex mutex_;
  std::shared_ptr<const generation> current_;
  std::map<std::pair<tls_version, bool>, std::shared_ptr<SSL_CTX>> contexts_;
};

}  // namespace

std::unique_ptr<server_certificates> load_server_certificates(const config::tls_settings& settings,
                                                              const clock& time, std::string& why) {
  auto made = std::make_unique<file_certificates>(settings, time);
  why = made->reload();
  if (!why.empty()) return nullptr;
  return made;
}

}  // namespace relais::tls
