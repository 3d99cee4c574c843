// The simulated world (docs/architecture.md): virtual clocks, alarms, network and runners on one
// io_context that is only ever polled. Everything that takes time is an event in one heap; when
// nothing is ready the clock jumps to the next event, so days of queue life take milliseconds, and
// one seed determines a whole run.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/runtime.hpp"
#include "spool/store.hpp"

namespace relais::testing {

class sim_clock final : public relais::clock {
 public:
  steady_time now() const override { return steady_time(elapsed); }
  wall_time wall() const override;
  duration elapsed{0};
  duration wall_offset{0};  ///< somebody sets the wall clock
};

class sim_world {
 public:
  explicit sim_world(std::uint64_t seed);
  ~sim_world();
  sim_world(const sim_world&) = delete;
  sim_world& operator=(const sim_world&) = delete;

  boost::asio::io_context io{1};
  sim_clock clock;
  seeded_random random;

  void at(steady_time when, std::function<void()> what);
  /// Runs until `over` holds, nothing is left to happen, or `limit` of virtual time has passed.
  /// Returns over().
  bool run_until(const std::function<bool()>& over, duration limit);

  net::alarms& alarms() noexcept { return *alarms_; }
  /// The network as the host with that address sees it; the same object for the same address.
  net::network& node(const ip_address& address);
  /// What a coroutine of that host is given.
  const net::runtime& runtime(const ip_address& address);
  /// So many jobs at a time, each after a latency of the disk. The destructor drops what has not
  /// begun.
  std::unique_ptr<spool::runner> make_runner(std::size_t threads = 1);

  /// Latency of one way, drawn per packet up to this.
  duration slowest_packet = std::chrono::milliseconds(40);
  /// What is written at once may arrive in several pieces, cut at random.
  bool cuts_writes = true;
  /// One write of so many breaks its connection, for both sides, somewhere within; 0: none.
  std::uint64_t reset_one_in = 0;
  /// Connecting to such an address takes so long more; as long as the caller waits: a black hole.
  std::map<ip_address, duration> connect_takes;
  /// Called when a connect begins; may be empty.
  std::function<void(const endpoint&)> on_connect;

 private:
  friend class sim_node;
  std::unique_ptr<net::alarms> alarms_;
  std::map<ip_address, std::unique_ptr<net::network>> nodes_;
  std::map<ip_address, std::unique_ptr<net::runtime>> runtimes_;
  std::multimap<steady_time, std::function<void()>>
      events_;  // equal times: in the order of insertion
  std::map<endpoint, class sim_acceptor*> listeners_;
};

}  // namespace relais::testing
