// How many sessions to next hops all workers may have together (delivery.concurrency). A worker
// that gets none is in line: the next one that is given back goes to the workers in turn.
// Thread-safe; a lock is held for some instructions, once per session, not per message.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "net/task.hpp"

namespace relais::delivery {

class connection_slots {
 public:
  explicit connection_slots(std::size_t limit) : free_(limit), limit_(limit) {}

  /// A worker; before any takes. `granted` is called on its executor with a slot that is the
  /// worker's then: to be used or given back.
  std::size_t join(net::asio::any_io_executor executor, std::function<void()> granted);
  /// False: none is free, or others are in line; `granted` follows.
  bool take(std::size_t worker);
  void give_back();
  /// Others are in line: who has been served for long should make room.
  bool is_short() const;
  std::size_t in_use() const;
  std::size_t limit() const noexcept { return limit_; }

 private:
  struct member {
    net::asio::any_io_executor executor;
    std::function<void()> granted;
    bool is_in_line = false;
  };
  mutable std::mutex mutex_;
  std::vector<member> members_;
  std::size_t free_;
  std::size_t in_line_ = 0;
  std::size_t next_ = 0;  // whose turn it is
  const std::size_t limit_;
};

}  // namespace relais::delivery
