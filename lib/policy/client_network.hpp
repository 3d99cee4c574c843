// The network of a client that counts as one: a /24 of IPv4, a /64 of IPv6, as rates, connection
// limits and greylisting see it. Whoever has one address of it has, mostly, all of them.
#pragma once

#include "base/ip.hpp"

namespace relais::policy {

/// The first address of that network.
inline ip_address client_network(const ip_address& client) noexcept {
  if (!client.is_v6()) return ip_address::v4(client.as_v4() & 0xffffff00u);
  auto octets = client.as_v6();
  for (std::size_t i = 8; i < octets.size(); ++i) octets[i] = 0;
  return ip_address::v6(octets);
}

}  // namespace relais::policy
