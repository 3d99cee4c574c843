// May this client relay to this recipient? Decided by the client's address only (authentication
// joins in a later step), never by what an address looks like inside: percent hacks, bang paths and
// quoted @ are plain local-parts. RFC 2505, RFC 5321 3.6.
#pragma once

#include <string>
#include <vector>

#include "base/ip.hpp"
#include "config/settings.hpp"
#include "smtp/path.hpp"

namespace relais::policy {

/// Whether `domain` is one of `domains`, which are lower case; ".example.org" covers subdomains
/// only.
bool is_listed_domain(std::string_view domain, const std::vector<std::string>& domains);

class relay_access {
 public:
  explicit relay_access(const config::relay_settings& settings) : settings_(settings) {}

  bool is_trusted(const ip_address& client) const noexcept;
  /// Trusted clients may send anywhere, others only to the relay domains and to <postmaster>.
  bool may_relay(bool trusted, const smtp::path& forward_path) const;

 private:
  config::relay_settings settings_;
};

}  // namespace relais::policy
