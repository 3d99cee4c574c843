#include "base/clock.hpp"

namespace relais {

steady_time system_clocks::now() const {
  return std::chrono::steady_clock::now();
}

wall_time system_clocks::wall() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace relais
