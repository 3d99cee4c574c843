// When a deferred message is tried again, and when its time is over: pure functions of the number
// of attempts, the age and a random number (RFC 5321 4.5.4.1). The wall clock is used, because
// lifetimes outlast a restart.
//
// Not here: what counts as deferred (delivery::classify), the queue's order, rechecking a batch
// behind a jump of the clock.
#pragma once

#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace relais::policy {

struct retry_schedule {
  std::vector<duration> intervals;  ///< behind the 1st, 2nd... failure; the last one repeats
  unsigned jitter_percent = 0;      ///< both ways; 100 at most
  duration lifetime{0};
  duration bounce_lifetime{0};  ///< of reports: the null reverse-path
};

/// When try number `attempts` (from 1) failed at `now`: now + interval ± jitter, never before
/// `now`. The last attempt happens at the end of the lifetime; behind that, the answer is `now`.
/// Ask is_expired() behind a failed attempt, not before one.
wall_time next_attempt(const retry_schedule& schedule, unsigned attempts, wall_time arrival,
                       wall_time now, bool is_report, random& rng);

/// False while the clock shows a time before the arrival: a clock that jumped back bounces nothing.
bool is_expired(const retry_schedule& schedule, wall_time arrival, wall_time now, bool is_report);

}  // namespace relais::policy
