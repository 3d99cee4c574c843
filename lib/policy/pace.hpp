// At most so many within a time, evenly spread, with a burst of one window's tenth (at least one):
// a token bucket. Pure.
#pragma once

#include <cstdint>

#include "base/clock.hpp"

namespace relais::policy {

class pace {
 public:
  pace() = default;  ///< no limit
  pace(std::uint64_t limit, duration window) noexcept;

  bool is_limited() const noexcept { return step_ > duration{0}; }
  /// When the next one may go; not after `now`: at once.
  steady_time next(steady_time now) const noexcept;
  void took(steady_time now) noexcept;

 private:
  duration step_{0}, burst_{0};
  steady_time empty_at_{};  // GCRA: theoretical arrival time
};

}  // namespace relais::policy
