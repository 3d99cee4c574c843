// What a soak allows: the relay's schedule, and the bounds of time and number that follow from it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/clock.hpp"

namespace relais::soak::bounds {

using namespace std::chrono_literals;

/// retry.intervals and retry.jitter of the relay.
inline constexpr std::array<duration, 4> intervals{5min, 10min, 30min, 1h};
inline constexpr unsigned jitter_percent = 20;
inline constexpr duration queue_lifetime = 36h;

/// The least time between probe number `n` (from 1) of a dead destination and the next one.
constexpr duration probe_interval(std::size_t n) {
  return intervals[std::min(n, intervals.size()) - 1] / 100 * (100 - jitter_percent);
}
/// While anything waits, with jitter and the time that a connection may hang.
inline constexpr duration longest_interval = 80min;
/// To an unknown destination at a time: delivery.initial_concurrency.
inline constexpr std::size_t initial_connections = 2;
/// A next hop is dead, and was tried: so long until every connection that was under way has told
/// so.
inline constexpr duration finding_out = 30min;
/// A next hop has become good: so long until the relay has found out and all is as usual.
inline constexpr duration recovering = 3h;
/// Who writes to a next hop that is good is done behind so long, whatever others are like.
inline constexpr duration delivery = 2min;
/// And so many of a bulk to the same next hop may go first.
inline constexpr std::uint64_t overtaking = 30;

// Per hour: of nothing, and for each recipient that waits or comes.
inline constexpr std::uint64_t lines = 200, lines_each = 15;
inline constexpr std::uint64_t connections = 100, connections_each = 4;
inline constexpr std::uint64_t questions = 200, questions_each = 8;
/// At once, or within an hour: a loop.
inline constexpr std::uint64_t at_once = 40'000;

}  // namespace relais::soak::bounds
