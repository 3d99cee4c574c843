// The retry schedule, see the header. RFC 5321 4.5.4.1.
#include "policy/retry.hpp"

#include <algorithm>

namespace relais::policy {
namespace {

// Without a schedule: the least that RFC 5321 4.5.4.1 recommends.
constexpr duration default_interval = std::chrono::minutes(30);

duration interval_behind(const retry_schedule& schedule, unsigned attempts) {
  if (schedule.intervals.empty()) return default_interval;
  const std::size_t index = attempts > 0 ? attempts - 1 : 0;
  return schedule.intervals[std::min(index, schedule.intervals.size() - 1)];
}

/// Uniform in [interval - share, interval + share]: messages of one outage do not return as a herd.
duration jittered(duration interval, unsigned percent, random& rng) {
  // Divided first, so that no interval can overflow.
  const auto share = interval / 100 * std::min(percent, 100U);
  if (share <= duration::zero()) return std::max(interval, duration::zero());
  const auto span = static_cast<std::uint64_t>(share.count()) * 2 + 1;
  return interval - share + duration(static_cast<duration::rep>(rng.below(span)));
}

wall_time end_of_life(const retry_schedule& schedule, wall_time arrival, bool is_report) {
  return arrival + std::chrono::duration_cast<wall_time::duration>(
                       is_report ? schedule.bounce_lifetime : schedule.lifetime);
}

}  // namespace

wall_time next_attempt(const retry_schedule& schedule, unsigned attempts, wall_time arrival,
                       wall_time now, bool is_report, random& rng) {
  const auto wait = jittered(interval_behind(schedule, attempts), schedule.jitter_percent, rng);
  const auto next = now + std::chrono::duration_cast<wall_time::duration>(wait);
  return std::max(now, std::min(next, end_of_life(schedule, arrival, is_report)));
}

bool is_expired(const retry_schedule& schedule, wall_time arrival, wall_time now, bool is_report) {
  return now >= arrival && now >= end_of_life(schedule, arrival, is_report);
}

}  // namespace relais::policy
