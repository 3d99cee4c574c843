// What an attempt comes to: verdicts become states in the spool, reports to the reverse-path (RFC
// 3464, 3461, 6533) and one event per recipient. A report becomes durable together with the states
// that it reports; never in reply to a null reverse-path (RFC 5321 6.1). When the rest is tried
// again is said here, and carried out by the caller (engine). One per worker.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event.hpp"
#include "delivery/classify.hpp"
#include "net/runtime.hpp"
#include "policy/clock_jump.hpp"
#include "policy/retry.hpp"
#include "policy/route.hpp"
#include "queue/delivery_job.hpp"
#include "queue/spool_gate.hpp"

namespace relais::delivery {

/// How one attempt went, for the log and the report.
struct attempt {
  std::string relay = "none";  ///< "mx.example[192.0.2.1]:25"
  std::string remote_mta;      ///< host name, "" if none was reached
  std::string tls;
  bool peer_reports = false;  ///< offers DSN: what it is asked to tell is its matter then
  bool is_untried = false;    ///< its destination is down, paused...: no attempt, others made it
  unsigned connection_use = 1;
  steady_time began{};      ///< when the job was taken
  steady_time connected{};  ///< when its connection was ready
};

/// What is left of a job; nothing, if `recipients` is empty.
struct remainder {
  std::vector<std::size_t> recipients;
  wall_time next_attempt{};
  std::uint32_t attempts = 0;
  std::uint8_t warnings = 0;
  remainder() = default;
};

/// Bounds the reports to one reverse-path, shared by all workers (thread-safe).
class report_book;

struct settler_world {
  const net::runtime& world;
  const config::settings& settings;
  const policy::routes& routes;
  queue::spool_gate& gate;
  queue_id_source& ids;
  queue::memory_budget& budget;
  report_book& reports;
  event_sink& events;
  /// A report that is durable goes into the queue.
  std::function<void(std::shared_ptr<const queue::queued_message>)> enqueue;
};

class settler {
 public:
  explicit settler(settler_world surroundings);
  ~settler();

  /// `verdicts` has one entry per recipient of the job, in its order. `way` is for its retry
  /// schedule.
  net::task<remainder> settle(const queue::delivery_job& job, const policy::route& way,
                              std::vector<verdict> verdicts, const attempt& how);

 private:
  struct plan;
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace relais::delivery
