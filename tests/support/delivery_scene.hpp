// Deliveries in the simulated world: for each worker a schedule, a dispatcher, connections, a
// settler and an engine, as daemon::relay puts them together, but without listeners, so that a test
// hands in envelopes as it likes. Two hosts take mail for far.test, one for here.test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/engine.hpp"
#include "support/fake_resolver.hpp"
#include "support/scripted_mta.hpp"
#include "support/sim_disk.hpp"
#include "support/sim_world.hpp"
#include "support/simulated_relay.hpp"

namespace relais::testing {

struct delivery_scene {
  explicit delivery_scene(std::uint64_t seed = 1);
  ~delivery_scene();
  delivery_scene(const delivery_scene&) = delete;
  delivery_scene& operator=(const delivery_scene&) = delete;

  config::settings settings;
  std::size_t workers = 1;
  /// Builds all, by settings and workers; submit() does it if need be.
  void begin();

  std::unique_ptr<scripted_mta> host(const std::string& address, const std::string& name);
  /// me@here.test to joe@far.test.
  static smtp::envelope letter();
  static smtp::envelope letter(const std::string& from, const std::string& to);
  /// As a session of that worker hands it in.
  queue_id submit(smtp::envelope envelope, std::string content = "Subject: x\r\n\r\nbody\r\n",
                  std::size_t worker = 0);
  void run(duration time);
  /// Until that holds; false: not within the time.
  bool until(const std::function<bool()>& over, duration limit);
  /// The reports that came home.
  std::string reports() const;
  /// Messages that are still in the spool.
  std::size_t left() const;
  queue::scheduler& schedule(std::size_t worker = 0);
  queue::destination* destination(const std::string& domain);

  sim_world world;
  const net::runtime& here = world.runtime(*ip_address::parse("192.0.2.1"));
  sim_disk disk;
  fake_resolver dns;
  recording_log log;
  std::unique_ptr<scripted_mta> first, second, home;  ///< mx1 and mx2.far.test, mx.here.test
  std::unique_ptr<spool::runner> jobs = world.make_runner(), readers = world.make_runner(2);
  std::unique_ptr<spool::store> store;
  queue_id_source ids;
  queue::memory_budget budget{16 << 20};

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace relais::testing
