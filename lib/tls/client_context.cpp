#include "tls/client_context.hpp"

#include <stdexcept>

#include "tls/certificate.hpp"

namespace relais::tls {
namespace {

using store_ptr = std::unique_ptr<X509_STORE, free_openssl>;

store_ptr make_store(const std::string& ca_file) {
  store_ptr made(X509_STORE_new());
  if (!made) throw std::runtime_error("OpenSSL cannot make a store of certificates");
  const int loaded = ca_file.empty() ? X509_STORE_set_default_paths(made.get())
                                     : X509_STORE_load_file(made.get(), ca_file.c_str());
  if (loaded != 1) {
    const auto reason = openssl_reason();
    const auto shown = ca_file.empty() ? std::string("of the system") : ca_file;
    throw std::runtime_error("tls_ca_file " + shown + " cannot be used: " +
                             (reason.empty() ? "no certificate in it" : reason));
  }
  return made;
}

context make_context(X509_STORE* store) {
  context made(SSL_CTX_new(TLS_client_method()));
  if (!made) throw std::runtime_error("OpenSSL cannot make a TLS context");
  SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(made.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set1_cert_store(made.get(), store);
  return made;
}

void use_certificate(SSL_CTX* context, const client_files& files) {
  config::certificate_settings named;
  named.certificate = files.certificate;
  named.key = files.key;
  std::string why;
  const auto own = load_certificate(named, why);
  if (!own) throw std::runtime_error("tls_certificate: " + why);
  if (SSL_CTX_use_cert_and_key(context, own->leaf.get(), own->key.get(), own->chain.get(), 1) !=
      1) {
    throw std::runtime_error("tls_certificate " + files.certificate +
                             " cannot be used: " + openssl_reason());
  }
}

}  // namespace

context make_client_context(const std::string& ca_file) {
  return make_context(make_store(ca_file).get());
}

client_contexts::client_contexts(const std::vector<client_files>& wanted) {
  std::map<std::string, store_ptr> stores;  // the system's is large: read once
  for (const auto& files : wanted) {
    if (made_.contains(files)) continue;
    auto& store = stores[files.ca_file];
    if (!store) store = make_store(files.ca_file);
    auto made = make_context(store.get());
    if (!files.certificate.empty()) use_certificate(made.get(), files);
    made_.emplace(files, std::move(made));
  }
}

SSL_CTX* client_contexts::find(const client_files& files) const noexcept {
  const auto at = made_.find(files);
  return at == made_.end() ? nullptr : at->second.get();
}

}  // namespace relais::tls
