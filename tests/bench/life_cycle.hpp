// What becomes of each accepted message in the full life cycle, on a thread of its own: it is read
// back, 90 % are delivered, the rest is deferred and joins the pending ones; for each that joins,
// one of the old ones is read and delivered and one is deferred again. So the oldest segments never
// die by themselves: the worst case for a log.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "bench/closed_loop.hpp"

namespace relais::bench {

class life_cycle final : public afterlife {
 public:
  life_cycle(spool::store& store, message_source& source, std::size_t size);
  ~life_cycle() override;
  life_cycle(const life_cycle&) = delete;
  life_cycle& operator=(const life_cycle&) = delete;

  /// While true, all join the pending ones, unread.
  void fills(bool yes);
  /// Blocks when the deliveries are more than `backlog` messages behind.
  void acknowledged(std::span<const queue_id> ids) override;
  /// Until every message that was acknowledged has been dealt with.
  void wait();

  std::size_t pending() const;
  std::uint64_t reads() const;

 private:
  struct survivor {
    queue_id id;
    std::uint32_t attempts = 1;
  };

  void work();
  void deal_with(queue_id id);
  void join_pending(queue_id id);
  void read_and_deliver(queue_id id);
  void read(queue_id id);
  void defer(const survivor& s);

  static constexpr std::size_t backlog = 4096;

  spool::store& store_;
  message_source& source_;
  std::size_t size_;
  seeded_random dice_{3};
  std::vector<survivor> pending_;
  std::uint64_t reads_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<queue_id> waiting_;
  bool fills_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace relais::bench
