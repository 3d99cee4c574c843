// What an attempt comes to: verdicts become states in the spool, retries in the schedule, reports
// to the reverse-path (RFC 3464) and one event per recipient. A report becomes durable together
// with the states that it reports; never in reply to a null reverse-path (RFC 5321 6.1).
#pragma once

#include <string>
#include <vector>

#include "base/event.hpp"
#include "delivery/classify.hpp"
#include "net/runtime.hpp"
#include "policy/clock_jump.hpp"
#include "policy/retry.hpp"
#include "queue/scheduler.hpp"
#include "queue/spool_gate.hpp"

namespace relais::delivery {

/// How one attempt went, for the log and the report.
struct attempt {
  std::string relay = "none";  ///< "mx.example[192.0.2.1]:25"
  std::string remote_mta;      ///< host name, "" if none was reached
  std::string tls;
  bool peer_reports = false;  ///< offers DSN: what it is asked to tell is its matter then
  bool is_elsewhere = false;  ///< at a host chosen as others lack what the message needs
  unsigned connection_use = 1;
  steady_time began{};      ///< when the job was taken
  steady_time connected{};  ///< when its connection was ready
};

class settler {
 public:
  settler(const net::runtime& world, std::string hostname, const policy::retry_schedule& schedule,
          queue::scheduler& scheduler, queue::spool_gate& gate, queue_id_source& ids,
          queue::memory_budget& budget, event_sink& events);

  /// `verdicts` has one entry per recipient of the job, in its order. The job is used up: what is
  /// deferred goes back into the schedule.
  net::task<void> settle(queue::destination& to, queue::delivery_job job,
                         std::vector<verdict> verdicts, const attempt& how);

 private:
  struct plan;
  void judge(const queue::delivery_job& job, std::vector<verdict>& verdicts, const attempt& how,
             plan& p);
  void emit_attempts(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                     const attempt& how);
  static bool wants_report(const queue::queued_message& message, std::size_t recipient,
                           const verdict& v, const attempt& how) noexcept;
  net::task<bool> report(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                         const attempt& how, plan& p);
  /// The message if it is not larger than `most`, else its beginning, at least the header; "" if it
  /// cannot be read now.
  net::task<std::string> read_original(const queue::queued_message& message, std::uint64_t most,
                                       queue::memory_lease& lease);
  std::string make_report(const queue::queued_message& message,
                          const std::vector<verdict>& verdicts, const attempt& how, const plan& p,
                          const queue::delivery_job& job, std::string_view original, queue_id id);

  const net::runtime& world_;
  std::string hostname_;
  policy::retry_schedule schedule_;
  policy::clock_jump clock_jump_;
  queue::scheduler& scheduler_;
  queue::spool_gate& gate_;
  queue_id_source& ids_;
  queue::memory_budget& budget_;
  event_sink& events_;
};

}  // namespace relais::delivery
