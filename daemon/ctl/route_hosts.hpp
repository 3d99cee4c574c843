// `relaisctl route test`: which addresses the hosts of a route have now, and which of them relaisd
// would never connect to. Real look-ups in the DNS (and /etc/hosts), as relaisd makes them, and
// nothing else: no connection.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "dns/hosts.hpp"
#include "policy/route.hpp"

namespace relais::ctl {

struct refused_address {
  ip_address address;
  std::string why;  ///< "private, loopback or link-local", "this host"
};

struct host_answer {
  policy::route_host at;
  dns::host_list found;  ///< empty for UNIX sockets, which nobody looks up
  std::vector<refused_address> refused;

  bool is_usable() const noexcept { return at.is_local || !found.hosts.empty(); }
};

/// In the order of the hosts. Throws failure if the DNS cannot be asked at all.
std::vector<host_answer> look_up_hosts(const config::settings& settings,
                                       const std::vector<policy::route_host>& hosts);

}  // namespace relais::ctl
