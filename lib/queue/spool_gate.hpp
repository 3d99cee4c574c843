// The coroutine face of the spool for one worker: await an append, a durable state, a read.
// Completions arrive on the spool's thread in batches and cost this worker one wake-up per batch.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "net/runtime.hpp"
#include "spool/store.hpp"

namespace relais::queue {

class spool_gate final : private spool::completion_sink {
 public:
  /// `readers` runs reads, apart from the committer, so that a slow read delays no acknowledgement.
  /// All outlive the gate; the gate outlives every job of the store that it asked for (flush
  /// first).
  spool_gate(spool::store& store, spool::runner& readers, const net::runtime& world);

  /// Success: the message (and what goes with it) is on stable storage.
  net::task<error_code> append(std::shared_ptr<const spool::message> content,
                               std::vector<spool::state_change> together_with);
  /// Lazy, see spool::store::settle.
  void settle(spool::state_change change) { store_.settle(std::move(change)); }
  net::task<error_code> settle_durably(spool::state_change change);
  net::task<result<std::shared_ptr<const spool::message>>> read(queue_id id);
  spool::health has_room(std::uint64_t octets) const noexcept { return store_.has_room(octets); }

 private:
  struct waiter {
    explicit waiter(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    bool done = false;
    error_code error;
  };
  void complete(std::vector<spool::completion> batch) override;
  void deliver();
  net::task<error_code> wait_for(waiter& w);
  struct registration;

  spool::store& store_;
  spool::runner& readers_;
  const net::runtime& world_;
  std::uint64_t next_token_ = 0;
  std::unordered_map<std::uint64_t, waiter*> waiting_;
  std::mutex mutex_;  // guards inbox_: the one hand-over from the spool's thread
  std::vector<spool::completion> inbox_;
};

}  // namespace relais::queue
