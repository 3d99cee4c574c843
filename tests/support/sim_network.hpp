// The network of the simulated world: connections between its hosts, with latency per packet,
// packets cut at random places, refused and reset connections. Order within a connection is kept,
// as TCP keeps it.
#pragma once

#include <deque>

#include "support/sim_world.hpp"

namespace relais::testing {

class sim_node final : public net::network {
 public:
  sim_node(sim_world& world, ip_address address) : world_(world), address_(address) {}
  result<std::unique_ptr<net::acceptor>> listen(const endpoint& at, bool shared) override;
  net::task<result<std::unique_ptr<net::transport>>> connect(endpoint to, duration limit) override;
  bool is_own_address(const ip_address& address) const override { return address == address_; }

 private:
  sim_world& world_;
  ip_address address_;
  std::uint16_t next_port_ = 40000;
};

}  // namespace relais::testing
