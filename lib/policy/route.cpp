#include "policy/route.hpp"

#include "base/text.hpp"
#include "config/smarthost.hpp"

namespace relais::policy {

std::string next_hop::text() const {
  const bool literal = name.starts_with('[');
  auto shown = lookup_mx || literal ? name : '[' + name + ']';
  if (port != 25) shown += ':' + std::to_string(port);
  return shown;
}

routes::routes(const config::settings& settings)
    : hostname_(settings.hostname), port_(settings.delivery.port) {
  if (settings.smarthost.host.empty()) return;
  const auto target = config::parse_smarthost(settings.smarthost.host, port_);
  if (!target) return;  // the loader refuses such settings
  has_smarthost_ = true;
  smarthost_ = next_hop{to_lower(target->host), target->port, target->lookup_mx, true};
}

next_hop routes::route(const smtp::path& forward_path) const {
  if (has_smarthost_) return smarthost_;
  // The bare <postmaster> is the postmaster of this host.
  const auto& domain = forward_path.domain().empty() ? hostname_ : forward_path.domain();
  // A literal, too: it has no MX, but what a sender writes must pass the check of special addresses
  // that only hosts found for a recipient's domain go through.
  return next_hop{to_lower(domain), port_, true, false};
}

}  // namespace relais::policy
