// What the verdicts of an attempt mean for its message: the new state of each recipient, when the
// rest is tried again, whose time is over, and what the sender is told of whom (RFC 3461 4.1, 5.2;
// RFC 5321 4.5.4.1, 6.1; RFC 2852 4). Pure: the settler carries it out.
#pragma once

#include <optional>
#include <vector>

#include "base/random.hpp"
#include "config/settings.hpp"
#include "delivery/attempt.hpp"
#include "delivery/classify.hpp"
#include "policy/retry.hpp"
#include "queue/delivery_job.hpp"

namespace relais::delivery {

/// What is to be said about one recipient.
enum class told : std::uint8_t { nothing, failed, delayed, relayed };

/// What an attempt is judged by.
struct circumstances {
  const queue::delivery_job& job;
  const attempt& how;
  const policy::retry_schedule& schedule;
  const config::report_settings& report;
  const smtp::path& postmaster;  ///< null: none
  wall_time now;
  /// False behind a jump of the clock: nothing ends or is late because of its age, and what waits
  /// is looked at again within `grace`.
  bool ages_count = true;
  duration grace{};
};

struct judgement {
  /// Of an untried job that goes on waiting: when something must be done about it all the same.
  wall_time next_attempt;
  std::uint32_t attempts = 0;
  std::uint8_t warnings = 0;
  std::vector<spool::recipient_state> states;  ///< one per recipient of the job
  std::vector<told> tell;                      ///< likewise
  std::vector<std::size_t> deferred;           ///< positions in the job
  bool is_new = true;  ///< `states` say something that the spool does not know
  bool expired = false;
  std::optional<wall_time> given_up_at;  ///< when the lifetime ends: Will-Retry-Until

  judgement() = default;
};

/// `verdicts`, one per recipient of the job, are changed where the time is over: bounced, 5.4.7.
judgement judge(const circumstances& c, std::vector<verdict>& verdicts, random& rng);

}  // namespace relais::delivery
