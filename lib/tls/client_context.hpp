// The TLS contexts of outgoing connections: versions, ciphers, whom to believe, and a certificate
// of our own where a next hop wants one. RFC 9325. Which level a destination demands is decided
// elsewhere; whether a certificate is checked, and for which names, is set per connection
// (net::tls_parameters). Contexts do not change once they are made, and serve all workers.
#pragma once

#include <openssl/ssl.h>

#include <compare>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace relais::tls {

struct free_context {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
};
using context = std::unique_ptr<SSL_CTX, free_context>;

/// What a context is made from; all PEM.
struct client_files {
  std::string ca_file;           ///< certificates to trust; "" = the system's
  std::string certificate, key;  ///< our own with its chain; "" = none; key "" = in the same file
  client_files() = default;
  friend auto operator<=>(const client_files&, const client_files&) = default;
};

/// Throws std::runtime_error with a sentence.
context make_client_context(const std::string& ca_file);

/// One context for each distinct set of files.
class client_contexts {
 public:
  client_contexts() = default;
  /// Throws std::runtime_error with a sentence that names the file.
  explicit client_contexts(const std::vector<client_files>& wanted);

  /// Null if it was not among those wanted.
  SSL_CTX* find(const client_files& files) const noexcept;

 private:
  std::map<client_files, context> made_;
};

}  // namespace relais::tls
