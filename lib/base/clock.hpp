// Time is handed in (design: the world is handed in). Timers use the monotonic clock; the wall
// clock serves only for what people and other hosts read (Date, Received) and for the age of a
// message.
#pragma once

#include <chrono>

namespace relais {

using duration = std::chrono::nanoseconds;
using steady_time = std::chrono::time_point<std::chrono::steady_clock, duration>;
using wall_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

class clock {
 public:
  virtual ~clock() = default;
  virtual steady_time now() const = 0;
  virtual wall_time wall() const = 0;
};

/// The clocks of the operating system. Safe from any thread.
class system_clocks final : public clock {
 public:
  steady_time now() const override;
  wall_time wall() const override;
};

}  // namespace relais
