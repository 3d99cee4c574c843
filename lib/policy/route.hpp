// Which next hop has a recipient? The smarthost if one is configured, else the recipient's domain
// by MX. Pure; what the hosts of a next hop are is the resolver's matter (dns::mail_hosts).
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "config/settings.hpp"
#include "smtp/path.hpp"

namespace relais::policy {

struct next_hop {
  std::string name;  ///< domain or host, lower case; a literal keeps its brackets
  std::uint16_t port = 25;
  bool lookup_mx = true;
  bool is_smarthost = false;

  friend auto operator<=>(const next_hop&, const next_hop&) = default;
  /// "example.org", "[relay.example]:587": for logs.
  std::string text() const;
};

class routes {
 public:
  explicit routes(const config::settings& settings);
  next_hop route(const smtp::path& forward_path) const;

 private:
  std::string hostname_;
  std::uint16_t port_;
  bool has_smarthost_ = false;
  next_hop smarthost_;
};

}  // namespace relais::policy
