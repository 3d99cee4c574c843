// The usual scene of a simulated test: one relay, one remote MTA for far.test, clients; everything
// that runs ends before what it refers to.
#pragma once

#include <memory>
#include <stdexcept>

#include "support/simulated_relay.hpp"

namespace relais::testing {

/// For groups whose tasks must not fail.
[[noreturn]] inline void task_escaped(const std::string& label, const std::string& what) {
  throw std::runtime_error(label + ": " + what);
}

struct relay_scene {
  explicit relay_scene(std::uint64_t seed,
                       net::task_group::exception_handler on_exception = task_escaped)
      : world(seed),
        clients(world.runtime(simulated_relay::client_address), std::move(on_exception)) {
    dns.add_mx("far.test", 10, "mx.far.test");
    dns.add_address("mx.far.test", remote_address.text());
  }
  ~relay_scene() {
    using namespace std::chrono_literals;
    relay.shut_down(3h);
    if (remote) remote->stop();
    clients.stop();
    world.run_until([&] { return (!remote || remote->is_idle()) && clients.size() == 0; }, 3h);
  }
  relay_scene(const relay_scene&) = delete;
  relay_scene& operator=(const relay_scene&) = delete;

  /// Until then connections to it are refused.
  void remote_comes_up() {
    const endpoint at{remote_address, 25};
    remote = std::make_unique<scripted_mta>(world.runtime(remote_address), at, "mx.far.test");
  }

  ip_address remote_address = *ip_address::parse("198.51.100.25");
  sim_world world;
  sim_disk disk;
  fake_resolver dns;
  std::unique_ptr<scripted_mta> remote;
  simulated_relay relay{world, disk, dns};
  net::task_group clients;
};

}  // namespace relais::testing
