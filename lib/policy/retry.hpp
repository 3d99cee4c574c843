// When a deferred message is tried again, and when its time is over: pure functions of the number
// of attempts, the age and a random number (RFC 5321 4.5.4.1). The wall clock is used, because
// lifetimes outlast a restart.
//
// Not here: what counts as deferred (delivery::classify), the queue's order, rechecking a batch
// behind a jump of the clock.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace relais::policy {

struct retry_schedule {
  std::vector<duration> intervals;  ///< behind the 1st, 2nd... failure; the last one repeats
  unsigned jitter_percent = 0;      ///< both ways; 100 at most
  duration lifetime{0};
  duration bounce_lifetime{0};     ///< of reports: the null reverse-path
  std::vector<duration> warnings;  ///< ages at which the sender is told of a delay; growing
};

/// Why an attempt failed, as far as the time of the next one depends on it.
enum class retry_reason : std::uint8_t {
  usual,
  /// "Come back in some minutes" (RFC 6647): the first interval again, however often the host was
  /// not reached before; as the schedule says from attempt greylist_attempts on.
  greylisted,
  lost_content  ///< the end of data was not answered: never sooner than lost_content_wait
};

/// A host that still says it then means something else.
inline constexpr unsigned greylist_attempts = 6;
/// RFC 1047: the peer may be busy with the delivery that we know nothing of. Outweighs the
/// lifetime.
inline constexpr duration lost_content_wait = std::chrono::minutes(10);

/// When try number `attempts` (from 1) failed at `now`: now + interval ± jitter, never before
/// `now`. The last attempt happens at the end of the lifetime; behind that, the answer is `now`.
/// Ask is_expired() behind a failed attempt, not before one.
wall_time next_attempt(const retry_schedule& schedule, unsigned attempts, retry_reason why,
                       wall_time arrival, wall_time now, bool is_report, random& rng);

/// False while the clock shows a time before the arrival: a clock that jumped back bounces nothing.
bool is_expired(const retry_schedule& schedule, wall_time arrival, wall_time now, bool is_report);

/// How many of the warnings are due at that age, those that were sent included.
unsigned warnings_due(const retry_schedule& schedule, wall_time arrival, wall_time now) noexcept;

/// When something must be done about a message even if its destination never answers: the next
/// delay warning (`warnings` were sent; none for reports) or the end of its lifetime.
wall_time deadline(const retry_schedule& schedule, wall_time arrival, unsigned warnings,
                   bool is_report);

/// How long a destination that failed `failures` times in a row (from 1) is left alone: the
/// interval ± jitter, a second at least.
duration probe_interval(const retry_schedule& schedule, unsigned failures, random& rng);

}  // namespace relais::policy
