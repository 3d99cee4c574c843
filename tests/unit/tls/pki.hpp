// Certificates for the tests, made here and written to a directory of their own that goes with the
// object.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "tls/certificate.hpp"

namespace relais::testing {

using key_ptr = std::unique_ptr<EVP_PKEY, tls::free_openssl>;
using x509_ptr = std::unique_ptr<X509, tls::free_openssl>;

struct identity {
  key_ptr key;
  x509_ptr leaf;
};

struct wanted_certificate {
  std::string common_name;
  std::string alternative_names;  ///< "DNS:a.example,DNS:*.b.example"; "" = none
  const char* key = "EC";         ///< "EC", "RSA", "RSA-1024", "ED25519"
  long starts = -3600;            ///< seconds from now
  long ends = 90L * 24 * 3600;
  bool is_authority = false;
};

/// Self-signed without an issuer.
identity issue(const wanted_certificate& wanted, const identity* issuer = nullptr);
std::string fingerprint_of(const X509* certificate);

class pki {
 public:
  pki();
  ~pki();
  pki(const pki&) = delete;
  pki& operator=(const pki&) = delete;

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const;
  /// Certificate and key in two files, NAME.pem and NAME.key.
  config::certificate_settings save(const std::string& name, const identity& made) const;
  config::certificate_settings make(const std::string& name, const wanted_certificate& w) const {
    return save(name, issue(w));
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace relais::testing
