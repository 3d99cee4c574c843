// From a next hop to the hosts that it may be reached by: those of its route, looked up by MX, by
// name, or not at all (addresses, UNIX sockets), in the order of preference. RFC 5321 5.1.
// Addresses that a stranger's MX record must not lead to are left out here.
#pragma once

#include <vector>

#include "delivery/connections.hpp"
#include "delivery/host_order.hpp"

namespace relais::delivery {

struct found_hosts {
  std::vector<candidate> all;  ///< in ascending tiers
  bool is_complete = false;    ///< no others are hidden by a failure of the DNS or by a limit
  bool has_chosen = false;     ///< the owner of this machine named one of them
  verdict why;                 ///< if there is none
  found_hosts() = default;
};

/// Both outlive the task.
net::task<found_hosts> find_hosts(const connections_world& around, const policy::next_hop& hop);

}  // namespace relais::delivery
