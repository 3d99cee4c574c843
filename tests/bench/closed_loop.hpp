// The load generator: one thread that keeps a number of messages outstanding. Each acknowledgement
// is noted and replaced by a new message at once; new messages are made while the generator waits,
// as others would be received meanwhile. What becomes of an acknowledged message is the business of
// an `afterlife`.
#pragma once

#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <span>
#include <vector>

#include "bench/measure.hpp"
#include "bench/observed_disk.hpp"
#include "bench/workload.hpp"
#include "spool/store.hpp"

namespace relais::bench {

class afterlife {
 public:
  virtual ~afterlife() = default;
  /// Called on the generator's thread; if it blocks, no new messages are sent.
  virtual void acknowledged(std::span<const queue_id> ids) = 0;
};

struct load_shape {
  std::size_t size = 0;
  std::size_t outstanding = 1;
  double seconds = std::numeric_limits<double>::infinity();
  std::uint64_t messages = std::numeric_limits<std::uint64_t>::max();
};

/// An acknowledgement that was very late.
struct late_one {
  nanos began = 0;
  nanos took = 0;
};

struct load_result {
  double seconds = 0;
  std::uint64_t acknowledged = 0;  ///< within these seconds
  histogram latency;               ///< from append() to complete(), of all
  histogram outside_disk;          ///< without what the committer spent in the disk meanwhile
  std::vector<late_one> late;      ///< of each batch the latest, if the store is observed
};

class closed_loop final : public spool::completion_sink {
 public:
  closed_loop(spool::store& store, message_source& source, afterlife& after,
              const committer_account* account)
      : store_(store), source_(source), after_(after), account_(account) {}

  /// Returns when the last message is acknowledged.
  load_result run(const load_shape& shape);

  void complete(std::vector<spool::completion> batch) override;

 private:
  struct arrival {
    nanos at = 0;
    nanos in_disk = 0;
    std::vector<spool::completion> batch;
  };
  struct slot {
    nanos began = 0;
    nanos in_disk = 0;
    std::shared_ptr<const spool::message> content;  ///< kept until the 250, as a session does
  };

  void issue(std::uint64_t token, std::size_t size);
  void prepare(const load_shape& shape);
  void take(std::vector<arrival>& into);
  void note(const arrival& a, load_result& sum);

  spool::store& store_;
  message_source& source_;
  afterlife& after_;
  const committer_account* account_;
  std::vector<slot> slots_;
  std::vector<queue_id> ids_;
  std::vector<std::shared_ptr<const spool::message>> ready_;

  std::atomic<bool> has_arrived_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<arrival> arrived_;
};

/// Delivers each message when `lag` later ones have been acknowledged: a store whose messages live
/// for a while and die in their order.
class lagging_delivery final : public afterlife {
 public:
  lagging_delivery(spool::store& store, std::size_t lag) : store_(store), lag_(lag) {}
  void acknowledged(std::span<const queue_id> ids) override;
  void deliver_rest();
  std::uint64_t settled() const noexcept { return settled_; }

 private:
  spool::store& store_;
  std::size_t lag_;
  std::uint64_t settled_ = 0;
  std::vector<queue_id> waiting_;
  std::size_t first_ = 0;
};

}  // namespace relais::bench
