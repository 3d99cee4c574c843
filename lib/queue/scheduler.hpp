// The order of work of one worker: which job waits for which destination, and until when. One small
// record per message and next hop; nothing is scanned periodically; every step is O(1) or O(log n).
// A million jobs for a hundred thousand destinations are its normal load (docs/architecture.md).
//
// A job is in one of four states:
//   ready     may go now; per destination in lanes by priority, fair between senders within a lane
//   waiting   deferred for its own sake, until its time (greylisted, a full mailbox, FUTURERELEASE)
//   stalled   its destination is down, paused or suspended: it goes when that answers again; until
//             then only its deadline counts (lifetime, delay warning), not its retry interval
//   in hand   take() gave it to delivery; it comes back by postpone(), stall(), put_back() or
//             finished(), once
// Waiting and stalled jobs are cold: they hold neither envelope nor content; take() asks the spool.
//
// Not here: when to try again (policy::retry), what an attempt came to (delivery), sessions.
// Belongs to one worker. Time is handed in by the runtime's clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "net/runtime.hpp"
#include "policy/route.hpp"
#include "queue/delivery_job.hpp"
#include "queue/destination.hpp"

namespace relais::queue {

/// A job before its first attempt, or as the spool remembers it.
struct new_job {
  queue_id id;
  std::shared_ptr<const queued_message> message;  ///< null: cold
  std::vector<std::size_t> recipients;
  std::uint32_t attempts = 0;
  std::uint8_t warnings = 0;
  std::int8_t priority = 0;       ///< MT-PRIORITY
  std::uint32_t sender_hash = 0;  ///< of the reverse-path, for fairness
  bool is_report = false;
  wall_time due{};  ///< the past: now
  new_job() = default;
};

struct job_view {
  queue_id id;
  const policy::next_hop& hop;
  enum class state : std::uint8_t { ready, waiting, stalled, in_hand } is;
  steady_time due;  ///< waiting: next attempt; stalled: its deadline
  std::uint32_t attempts;
};

class scheduler {
 public:
  /// At most so many recipients in one transaction: every server takes 100 (RFC 5321 4.5.3.1.8).
  static constexpr std::size_t recipients_per_job = 100;

  scheduler(const net::runtime& world, const policy::routes& routes, spool::store& store);
  ~scheduler();

  /// Called whenever a destination has something to do (has_work() or has_overdue()), as the last
  /// step of what is called here or by the alarm: once for each job that is added ready, once for
  /// all that become ready together. A probe that is due is announced once. Set before add().
  void on_ready(std::function<void(destination&)> wake);
  /// All of the spool is known. Until then jobs that are added cold, found in the spool, are held
  /// back: the spool cannot settle them yet. Fresh mail, added hot, goes at once. What was held
  /// back goes piece by piece, in turns of its own.
  void begin();

  /// Splits beyond recipients_per_job.
  void add(const policy::next_hop& hop, new_job job);

  /// The next job to try: of the ready ones, by lane and sender; for a destination that is down and
  /// whose probe is due, the stalled one with the nearest deadline. Jobs whose message has left the
  /// spool, or is held there, are dropped on the way. Beyond a closed destination: overdue jobs
  /// only, see take_overdue(). While a probe is under way (until its job comes back, or down() or
  /// up()), a destination that is down gives no other.
  std::optional<delivery_job> take(destination& from);
  /// Of a destination that is closed: a job that reached its deadline (to be bounced, or its sender
  /// told), one that has not been told yet why it waits (attempts == 0), or one that goes to the
  /// fallback from now on (wants_fallback()). Empty: none for now; on_ready() tells if more is to
  /// be looked at. All other ready ones are stalled on the way, without a look at the spool.
  std::optional<delivery_job> take_overdue(destination& from);
  /// Its route says that it goes by the fallback hosts now: by its attempts or age, or as its
  /// destination failed so often. Then: dispatcher::to_fallback().
  bool wants_fallback(const destination& at, const delivery_job& job) const;

  // A job comes back by one of these. If its message was withdrawn meanwhile, it is dropped.
  /// Waits until `due` for its own sake. The job becomes cold.
  void postpone(destination& to, delivery_job job, steady_time due);
  /// Waits for its destination, at most until `deadline` (one that has passed: in a second). The
  /// job becomes cold. Call down() or pause() before: of an open destination it is ready at once.
  void stall(destination& to, delivery_job job, steady_time deadline);
  /// Goes first again (its connection died before anything was said).
  void put_back(destination& to, delivery_job job);
  /// It is settled: nothing is left of it.
  void finished(destination& to, const delivery_job& job);
  /// The deadline of a job that waits for its destination: end of lifetime, next delay warning, or
  /// when its fallback takes over.
  steady_time deadline(const destination& to, const delivery_job& job) const;

  /// The destination does not answer: until `probe_at` nothing is tried, then one job. `reason` is
  /// kept for operators. Of several sessions that fail together the first one counts, until the
  /// probe.
  void down(destination& to, steady_time probe_at, std::string reason);
  /// It answers: all that is stalled is ready (delivery starts slowly by itself). A pause goes on.
  void up(destination& to);
  /// Nothing is tried until then, not even a probe; a rate limit or a reply rule. Behind it a
  /// destination that had failures is down again, and its probe is due.
  void pause(destination& to, steady_time until, std::string reason);
  /// An operator's hand, until resume(); also for a destination that does not exist yet. Ends a
  /// pause as well.
  void suspend(const policy::next_hop& hop);
  void resume(const policy::next_hop& hop);
  std::vector<policy::next_hop> suspended() const;

  /// Drops the record of a destination that has neither work nor sessions nor a state to remember.
  /// One without a delivery part and with nothing in hand may also go by itself, by the alarm,
  /// resume() and withdraw().
  void release(destination& idle);

  // For operators. Each goes through all jobs; `from` and the result are positions, so that a
  // worker can do it piece by piece: call with 0, then with what came back, until that is 0. A job
  // keeps its position while it lives, in hand or not; each that is there throughout is met once.
  using position = std::uint32_t;
  position visit(position from, std::size_t count,
                 const std::function<void(const job_view&)>& visitor) const;
  /// Takes jobs of these messages out. Those in hand cannot be: they are dropped when they come
  /// back.
  position withdraw(position from, std::size_t count, const std::unordered_set<queue_id>& ids);
  /// An attempt that was under way when the message was withdrawn is still under way.
  bool is_withdrawn(queue_id id) const noexcept { return withdrawn_.contains(id); }
  /// Makes jobs of these messages (null: all) ready now; a destination that is down is probed now.
  position hurry(position from, std::size_t count, const std::unordered_set<queue_id>* ids);
  position visit_destinations(position from, std::size_t count,
                              const std::function<void(const destination&)>& visitor) const;
  /// All at once.
  void visit_destinations(const std::function<void(const destination&)>& visitor) const;
  destination* find(const policy::next_hop& hop) noexcept;

  /// When a wall-clock time of the spool will be, on the monotonic clock; the past is now.
  steady_time due_at(wall_time at) const;
  std::size_t jobs() const noexcept;
  std::uint64_t memory() const noexcept;  ///< octets, of jobs and destinations

 private:
  struct parts;
  handle claim(destination& to, const delivery_job& job);

  std::unique_ptr<parts> parts_;
  std::unordered_map<queue_id, std::uint32_t> withdrawn_;  // jobs in hand that withdraw() met
};

}  // namespace relais::queue
