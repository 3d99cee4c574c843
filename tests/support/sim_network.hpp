// The network of the simulated world: connections between its hosts, with latency per packet,
// packets cut at random places, refused and reset connections. Order within a connection is kept,
// as TCP keeps it. UNIX sockets are names of one host.
#pragma once

#include <deque>

#include "support/sim_world.hpp"

namespace relais::testing {

class sim_acceptor;

/// What became of what one end of a connection wrote; outlives the connection.
struct line_use {
  std::uint64_t octets_read = 0;  ///< by the other end
  bool was_reset = false;         ///< the network broke the connection
};
/// Of what `end` writes. Only of connections of the simulated network.
std::shared_ptr<const line_use> use_of(const net::transport& end);

class sim_node final : public net::network {
 public:
  sim_node(sim_world& world, ip_address address) : world_(world), address_(address) {}
  result<std::unique_ptr<net::acceptor>> listen(const endpoint& at, bool shared) override;
  result<std::unique_ptr<net::acceptor>> listen(const listen_address& at, bool shared,
                                                unsigned mode) override;
  using net::network::connect;
  net::task<result<std::unique_ptr<net::transport>>> connect(
      endpoint to, duration limit, std::optional<ip_address> source) override;
  net::task<result<std::unique_ptr<net::transport>>> connect_local(std::string path,
                                                                   duration limit) override;
  bool is_own_address(const ip_address& address) const override { return address == address_; }

 private:
  result<std::unique_ptr<net::acceptor>> listen_at(const listen_address& address,
                                                   const endpoint& at);
  std::unique_ptr<net::transport> join(sim_acceptor& listener, const endpoint& remote,
                                       const endpoint& local);

  sim_world& world_;
  ip_address address_;
  std::uint16_t next_port_ = 40000;
  std::map<std::string, sim_acceptor*> local_;
};

}  // namespace relais::testing
