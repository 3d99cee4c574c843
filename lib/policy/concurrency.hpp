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
  /// One more was refused where `open` work on: so many it bears. Each time in a row one more is
  /// tried half as soon.
  void had_enough(std::size_t open) noexcept;
  /// Nothing works: from one again.
  void failed() noexcept;

 private:
  std::size_t initial_, ceiling_, limit_;
  std::size_t slow_start_until_;
  std::size_t successes_ = 0;  // since the last growth
  std::size_t patience_ = 1;   // rounds of success before one more is tried
  bool has_grown_ = false;     // since had_enough(): twice ends the patience
};

}  // namespace relais::policy
