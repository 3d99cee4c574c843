// TLS towards clients: certificates of our own by SNI and key type, versions, session tickets with
// rotated keys, client certificates as identities. RFC 8446, 9325. Loaded at start, and again by
// reload() without a restart: sessions under way keep what they began with. Thread-safe.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "config/settings.hpp"

namespace relais::tls {

class server_certificates {
 public:
  virtual ~server_certificates() = default;
  /// Nothing is configured: STARTTLS is not offered.
  virtual bool is_empty() const noexcept = 0;
  /// The context for a listener; null: certificates are configured, but none is usable (454). To be
  /// kept as long as a connection uses it.
  virtual std::shared_ptr<SSL_CTX> context(config::tls_version minimum,
                                           bool ask_for_client_certificate) = 0;
  /// Reads the files again; "" on success, else what is wrong, and the old ones stay.
  virtual std::string reload() = 0;
  /// Sentences about certificates that have expired or soon will; for the log, at start and after a
  /// reload.
  virtual std::vector<std::string> warnings() = 0;
};

/// `why` gets a sentence with the file if something is unusable; null then.
std::unique_ptr<server_certificates> load_server_certificates(const config::tls_settings& settings,
                                                              const clock& time, std::string& why);

}  // namespace relais::tls
