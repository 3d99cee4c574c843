// Notices when the wall clock jumps against the monotonic one (a set clock, a machine that slept).
// Ages of messages come from the wall clock, so a jump could end the lifetime of the whole queue at
// once; after one, nothing expires until it had another attempt. Pure: each call takes both times.
#pragma once

#include <optional>

#include "base/clock.hpp"

namespace relais::policy {

class clock_jump {
 public:
  /// A difference that no correction of a sane clock makes.
  static constexpr duration tolerance = std::chrono::hours(1);

  /// Whether ages may end lifetimes now. `grace`: how long they may not after a jump.
  bool may_expire(steady_time now, wall_time wall, duration grace) noexcept {
    const auto offset = duration(wall.time_since_epoch()) - now.time_since_epoch();
    if (last_offset_) {
      const auto jump = offset > *last_offset_ ? offset - *last_offset_ : *last_offset_ - offset;
      if (jump > tolerance) distrust_until_ = now + grace;
    }
    last_offset_ = offset;
    return now >= distrust_until_;
  }

 private:
  std::optional<duration> last_offset_;
  steady_time distrust_until_ = steady_time::min();
};

}  // namespace relais::policy
