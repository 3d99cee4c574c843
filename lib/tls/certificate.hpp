// One certificate of our own with its chain and key: read, checked against each other, and the
// names that it stands for. RFC 6125 6.4.3 for wildcards.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "config/settings.hpp"

namespace relais::tls {

struct free_openssl {
  void operator()(X509* x) const noexcept { X509_free(x); }
  void operator()(EVP_PKEY* x) const noexcept { EVP_PKEY_free(x); }
  void operator()(BIO* x) const noexcept { BIO_free(x); }
  void operator()(STACK_OF(X509) * x) const noexcept { sk_X509_pop_free(x, X509_free); }
  void operator()(X509_STORE* x) const noexcept { X509_STORE_free(x); }
  void operator()(GENERAL_NAMES* x) const noexcept { GENERAL_NAMES_free(x); }
};

/// How well a certificate fits a name of SNI; more is better.
enum class fit : std::uint8_t { none, wildcard, exact };

struct certificate {
  std::string file;
  std::unique_ptr<X509, free_openssl> leaf;
  std::unique_ptr<STACK_OF(X509), free_openssl> chain;  ///< without the leaf
  std::unique_ptr<EVP_PKEY, free_openssl> key;
  /// dNSNames of the subject alternative name; without any the common name; lower case.
  std::vector<std::string> names;
  wall_time not_before, not_after;

  fit fits(std::string_view name) const noexcept;
  /// The kind of its key: a connection can have one certificate of each.
  int key_type() const noexcept { return EVP_PKEY_get_base_id(key.get()); }
};

/// `why` gets a sentence that names the file; none then.
std::optional<certificate> load_certificate(const config::certificate_settings& files,
                                            std::string& why);

/// What an operator should do something about; "" if nothing.
std::string expiry_warning(const certificate& c, wall_time now);

/// A file's octets, at most 1 MiB. `why` gets a sentence that names it; none then.
std::optional<std::string> read_small_file(const std::string& file, std::string& why);

/// OpenSSL's reason for its latest failure; empties its list of errors.
std::string openssl_reason();

}  // namespace relais::tls
