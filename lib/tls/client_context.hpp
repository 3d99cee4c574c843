// The TLS context of outgoing connections: versions, ciphers, and whom to believe. RFC 9325.
// Which level a destination demands is decided elsewhere; whether a certificate is checked is set
// per connection (net::tls_parameters). Certificates of our own and their reload come with the TLS
// server.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace relais::tls {

struct free_context {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
};
using context = std::unique_ptr<SSL_CTX, free_context>;

/// `ca_file`: PEM certificates to trust; "" = the system's. Throws std::runtime_error with a
/// sentence.
context make_client_context(const std::string& ca_file);

}  // namespace relais::tls
