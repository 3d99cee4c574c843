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

wall_time::duration of_wall(duration d) {
  return std::chrono::duration_cast<wall_time::duration>(d);
}

wall_time end_of_life(const retry_schedule& schedule, wall_time arrival, bool is_report) {
  return arrival + of_wall(is_report ? schedule.bounce_lifetime : schedule.lifetime);
}

}  // namespace

wall_time next_attempt(const retry_schedule& schedule, unsigned attempts, retry_reason why,
                       wall_time arrival, wall_time now, bool is_report, random& rng) {
  const bool is_early = why == retry_reason::greylisted && attempts < greylist_attempts;
  const auto interval = interval_behind(schedule, is_early ? 1 : attempts);
  const auto next = now + of_wall(jittered(interval, schedule.jitter_percent, rng));
  const auto least = why == retry_reason::lost_content ? now + of_wall(lost_content_wait) : now;
  return std::max(least, std::min(next, end_of_life(schedule, arrival, is_report)));
}

bool is_expired(const retry_schedule& schedule, wall_time arrival, wall_time now, bool is_report) {
  return now >= arrival && now >= end_of_life(schedule, arrival, is_report);
}

unsigned warnings_due(const retry_schedule& schedule, wall_time arrival, wall_time now) noexcept {
  unsigned due = 0;
  for (const auto age : schedule.warnings)
    if (now >= arrival + of_wall(age)) ++due;
  return due;
}

wall_time deadline(const retry_schedule& schedule, wall_time arrival, unsigned warnings,
                   bool is_report) {
  const auto end = end_of_life(schedule, arrival, is_report);
  if (is_report || warnings >= schedule.warnings.size()) return end;
  return std::min(end, arrival + of_wall(schedule.warnings[warnings]));
}

duration probe_interval(const retry_schedule& schedule, unsigned failures, random& rng) {
  constexpr duration least = std::chrono::seconds(1);
  return std::max(least,
                  jittered(interval_behind(schedule, failures), schedule.jitter_percent, rng));
}

}  // namespace relais::policy
