#include "policy/relay_access.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::policy {

bool is_listed_domain(std::string_view domain, const std::vector<std::string>& domains) {
  return std::ranges::any_of(domains, [&](const std::string& listed) {
    if (!listed.starts_with('.')) return iequals(domain, listed);
    return domain.size() > listed.size() &&
           iequals(domain.substr(domain.size() - listed.size()), listed);
  });
}

bool relay_access::is_trusted(const ip_address& client) const noexcept {
  return std::ranges::any_of(settings_.trusted_networks,
                             [&](const ip_network& n) { return n.contains(client); });
}

bool relay_access::may_relay(bool trusted, const smtp::path& forward_path) const {
  if (trusted) return true;
  // RFC 5321 4.5.1: <postmaster> without a domain is always accepted.
  if (forward_path.domain().empty()) return true;
  return is_listed_domain(forward_path.domain(), settings_.domains);
}

}  // namespace relais::policy
