// What an attempt comes to: verdicts become states in the spool, reports to the reverse-path (RFC
// 3464, 3461, 6533) and one event per recipient. A report becomes durable together with the states
// that it reports, so a crash leaves both or neither; never in reply to a null reverse-path (RFC
// 5321 6.1): what cannot be returned goes to the postmaster, if one is named, else it is dropped
// with a line in the log. A report to the postmaster that fails is dropped: no loop.
// When the rest is tried again is said here, and carried out by the caller (engine). One per
// worker.
//
// Not here: what a reply means (classify), what follows from it (judgement), the words of a report
// (message/delivery_report). "expanded" is never reported: a relay without aliases expands nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event.hpp"
#include "base/queue_id.hpp"
#include "config/settings.hpp"
#include "delivery/attempt.hpp"
#include "delivery/classify.hpp"
#include "delivery/report_book.hpp"
#include "net/runtime.hpp"
#include "policy/route.hpp"
#include "queue/delivery_job.hpp"
#include "queue/memory_budget.hpp"
#include "queue/spool_gate.hpp"

namespace relais::delivery {

/// What is left of a job; nothing, if `recipients` is empty.
struct remainder {
  std::vector<std::size_t> recipients;
  wall_time next_attempt{};
  std::uint32_t attempts = 0;
  std::uint8_t warnings = 0;
  remainder() = default;
};

struct settler_world {
  const net::runtime& world;
  const config::settings& settings;
  queue::spool_gate& gate;
  queue_id_source& ids;
  queue::memory_budget& budget;
  report_book& reports;  ///< one for all workers
  event_sink& events;
  /// A report that is durable goes into the queue; its envelope may hold it back (hold_until).
  std::function<void(std::shared_ptr<const queue::queued_message>)> enqueue;
};

class settler {
 public:
  explicit settler(settler_world surroundings);
  ~settler();

  /// `verdicts` has one entry per recipient of the job, in its order. `way` is for its retry
  /// schedule. A job that is untried (attempt::is_untried) says so in log and spool once and counts
  /// no further attempts, but its age does: its sender is told of delays, and it expires.
  net::task<remainder> settle(const queue::delivery_job& job, const policy::route& way,
                              std::vector<verdict> verdicts, const attempt& how);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace relais::delivery
