#include "tls/client_context.hpp"

#include <openssl/err.h>

#include <stdexcept>

namespace relais::tls {

context make_client_context(const std::string& ca_file) {
  context made(SSL_CTX_new(TLS_client_method()));
  if (!made) throw std::runtime_error("OpenSSL cannot make a TLS context");
  SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(made.get(), SSL_MODE_RELEASE_BUFFERS);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(made.get())
                                     : SSL_CTX_load_verify_file(made.get(), ca_file.c_str());
  if (loaded != 1) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    throw std::runtime_error("delivery.tls_ca_file " + ca_file + " cannot be used: " +
                             (reason != nullptr ? reason : "no certificate in it"));
  }
  return made;
}

}  // namespace relais::tls
