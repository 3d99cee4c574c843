// How many connections a destination bears: starts small, grows with success, shrinks with failures
// and pushback, never below one. Pure arithmetic (after TCP's slow start and congestion avoidance).
#pragma once

#include <cstddef>
#include <cstdint>

namespace relais::policy {

class concurrency {
 public:
  concurrency(std::size_t initial, std::size_t ceiling) noexcept;

  /// Connections at most, now.
  std::size_t limit() const noexcept { return limit_; }
  /// A message was taken (or refused for its own sake).
  void succeeded() noexcept;
  /// 421, 4xx to the session, a connection refused while others are open: it wants fewer.
  /// `open`: how many it bore at that moment.
  void pushed_back(std::size_t open) noexcept;
  /// Nothing works: from one again.
  void failed() noexcept;

 private:
  std::size_t initial_, ceiling_, limit_;
  std::size_t slow_start_until_;
  std::size_t successes_ = 0;  // since the last growth
};

}  // namespace relais::policy
