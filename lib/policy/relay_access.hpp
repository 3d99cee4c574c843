// May this client relay to this recipient? Decided by who the client is (its network, its login,
// its certificate) and by the recipient's domain, never by what an address looks like inside:
// percent hacks, bang paths and quoted @ are plain local-parts. RFC 2505, RFC 5321 3.6.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "smtp/path.hpp"

namespace relais::policy {

/// Whether `domain` is one of `domains`, which are lower case; ".example.org" covers subdomains
/// only.
bool is_listed_domain(std::string_view domain, const std::vector<std::string>& domains);

/// A percent hack, a bang path or a second "@" within the local-part (RFC 2505 2.1): old MTAs would
/// send it on to somewhere else.
bool looks_routed(const smtp::path& forward_path) noexcept;

class relay_access {
 public:
  explicit relay_access(const config::relay_settings& settings);

  /// One of relay.trusted_certificates. SHA-256, hex in either case, with or without colons.
  bool is_trusted_certificate(std::string_view fingerprint) const;
  /// Whoever is permitted (trusted, or logged in) may send anywhere, others only to the relay
  /// domains and to <postmaster>.
  bool may_relay(bool permitted, const smtp::path& forward_path) const;

 private:
  config::relay_settings settings_;
};

}  // namespace relais::policy
