// The name of a message from the 250 on: in the reply, the log, the spool and every report.
// 64 bits, time-ordered (milliseconds since 1970, then a counter), written as 16 hex digits.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace relais {

struct queue_id {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(const queue_id&, const queue_id&) = default;
  std::string text() const;
  /// Exactly 16 hex digits, either case.
  static std::optional<queue_id> parse(std::string_view text) noexcept;
};

/// Hands out ids that grow, also when the wall clock jumps back. Safe from any thread.
class queue_id_source {
 public:
  /// `seen`: no id handed out may be below or equal to one that the spool already holds.
  void raise(queue_id seen) noexcept;
  queue_id next(wall_time now) noexcept;

 private:
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace relais

template <>
struct std::hash<relais::queue_id> {
  std::size_t operator()(const relais::queue_id& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value * 0x9e3779b97f4a7c15);
  }
};
