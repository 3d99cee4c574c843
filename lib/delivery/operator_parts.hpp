// What the files of operator_hand share, and nobody else needs.
#pragma once

#include <algorithm>
#include <exception>
#include <mutex>

#include "delivery/operator_hand.hpp"

namespace relais::delivery {

/// Jobs and destinations that a worker looks at before others have their turn.
inline constexpr std::size_t jobs_per_turn = 2000;
inline constexpr std::size_t messages_per_turn = 100;

/// Changes on their way to the disk; told on the first worker when all have arrived.
struct operator_hand::settling final : spool::completion_sink {
  settling(std::size_t count, const net::asio::any_io_executor& executor)
      : outcomes(count), left(count), home(executor), done(executor) {}

  void complete(std::vector<spool::completion> batch) override {
    for (const auto& c : batch) outcomes[c.token] = c.error;
    left -= batch.size();
    if (left > 0) return;
    // Its owner is the hand, which outlives what it asked of the store.
    net::asio::post(home, [this] {
      is_over = true;
      done.notify_all();
    });
  }

  // The committer's, until it is over.
  std::vector<error_code> outcomes;
  std::size_t left;
  net::asio::any_io_executor home;
  // The worker's.
  net::condition done;
  bool is_over = false;
};

struct operator_hand::found_message {
  listed_message what;
  std::vector<std::optional<policy::next_hop>> hops;  // of the recipients that wait
};

/// The whole of `message`, as it is listed but for obstacles.
inline listed_message listed(const policy::routes& routes, spool::stored_message message,
                             wall_time now, std::vector<std::optional<policy::next_hop>>& hops) {
  listed_message l;
  l.stored = std::move(message);
  const auto count = l.stored.recipients.size();
  l.next_hops.resize(count);
  l.obstacles.resize(count);
  hops.assign(count, {});
  for (std::size_t i = 0; i < count; ++i) {
    if (l.stored.recipients[i].status != spool::recipient_status::pending) continue;
    hops[i] = queue::hop_of(routes, l.stored, i, now);
    l.next_hops[i] = routes.text(*hops[i]);
  }
  return l;
}

/// The recipients of a message that are meant.
inline std::vector<std::size_t> meant(const queue::selector& which, const policy::routes& routes,
                                      const spool::stored_message& message, wall_time now) {
  const auto way = [&](std::size_t i) {
    return queue::names_of(routes, queue::hop_of(routes, message, i, now));
  };
  return which.matching(message, now, way);
}

inline std::size_t pending_count(const spool::stored_message& message) {
  return static_cast<std::size_t>(std::ranges::count(
      message.recipients, spool::recipient_status::pending, &spool::recipient_state::status));
}

/// A destination as it is at this moment, on its worker.
inline destination_view view_of_destination(const queue::destination& d,
                                            const policy::routes& routes,
                                            const relais::clock& time) {
  destination_view v;
  v.name = routes.text(d.hop);
  v.route = routes.at(d.hop).name;
  v.state = d.state();
  v.reason = std::string(d.reason());
  using enum queue::destination_state;
  if (v.state == down || v.state == paused) {
    const auto left = std::max<duration>(duration{0}, d.until() - time.now());
    v.until = time.wall() + std::chrono::duration_cast<std::chrono::microseconds>(left);
  }
  v.ready = d.ready();
  v.waiting = d.waiting();
  v.stalled = d.stalled();
  v.in_hand = d.in_hand();
  v.failures = d.failures();
  return v;
}

}  // namespace relais::delivery
