// What the tests of the schedule stand on: a clock that is moved by hand, alarms that ring when it
// passes them, a spool in a map, routes from settings.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/runtime.hpp"
#include "policy/route.hpp"
#include "queue/scheduler.hpp"
#include "spool/store.hpp"

namespace relais::testing {

class hand_clock final : public relais::clock {
 public:
  steady_time now() const override { return steady_time(std::chrono::hours(24) + elapsed); }
  wall_time wall() const override {
    return wall_time(std::chrono::seconds(1795219200)) +
           std::chrono::duration_cast<std::chrono::microseconds>(elapsed);
  }
  duration elapsed{0};
};

/// The alarms that are set; scene::advance() rings them.
class hand_alarms final : public net::alarms {
 public:
  std::unique_ptr<net::alarm> make(std::function<void()> ring) override;
  std::optional<steady_time> first() const;
  void ring_first();
  std::size_t rings = 0;

 private:
  class one;
  std::set<std::pair<steady_time, one*>> set_;
};

/// Knows messages, no contents.
class map_store : public spool::store {
 public:
  std::map<queue_id, spool::stored_message> all;
  std::size_t look_ups = 0;

  std::optional<spool::stored_message> look_up(queue_id id) override {
    ++look_ups;
    const auto found = all.find(id);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }
  // What the schedule never asks for:
  result<spool::recovery_report> enumerate(
      const std::function<void(spool::stored_message)>&) override {
    return spool::recovery_report();
  }
  void append(spool::append_request, spool::completion_sink&) override {}
  void settle(spool::state_change) override {}
  void settle(spool::state_change, std::uint64_t, spool::completion_sink&) override {}
  std::vector<spool::stored_message> messages(std::size_t) override { return {}; }
  std::optional<queue_id> oldest() override { return {}; }
  result<std::shared_ptr<const spool::message>> read(queue_id) override { return error_code(); }
  result<std::unique_ptr<spool::content_reader>> open_content(queue_id) override {
    return error_code();
  }
  result<std::unique_ptr<spool::large_writer>> create_large(queue_id) override {
    return error_code();
  }
  spool::health has_room(std::uint64_t) const noexcept override { return spool::health::good; }
  spool::store_status status() const override { return {}; }
  void flush(std::function<void(error_code)>) override {}
  void close() override {}
};

/// Warnings behind 4 h, 5 days to live, 1 day for reports; MX, but two domains that have routes:
/// "primary.example" with a fallback behind 3 failures or 12 hours, "other.example" by a host.
config::settings schedule_settings();

struct schedule_scene {
  schedule_scene();

  boost::asio::io_context io{1};
  hand_clock clock;
  hand_alarms alarms;
  seeded_random random{1};
  std::unique_ptr<net::network> network;
  net::runtime world;
  policy::routes routes;
  map_store store;
  queue::scheduler scheduler;
  std::vector<std::string> woken;  ///< by name, in order

  /// Rings what is due at each time on the way.
  void advance(duration by);
  /// A message of now in the spool.
  queue_id message(std::size_t recipients = 1, const std::string& from = "a@s.example");
  /// The job of all its recipients.
  queue::new_job cold(queue_id id) const;
  queue::new_job hot(queue_id id) const;
  policy::next_hop hop(const std::string& domain) const;
  /// Its domain; "primary", "fallback", "other" for those of routes.
  static std::string name(const policy::next_hop& hop);
  queue::destination& at(const std::string& domain);
  steady_time in(duration time) const { return clock.now() + time; }
  wall_time wall_in(duration time) const {
    return clock.wall() + std::chrono::duration_cast<wall_time::duration>(time);
  }

 private:
  std::uint64_t last_ = 0;
};

/// A sender_hash whose jobs are in that flow (0 to 63) of a lane.
std::uint32_t hash_of_flow(unsigned flow);

}  // namespace relais::testing
