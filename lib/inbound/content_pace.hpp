// Whether content arrives fast enough: a client that drips octets holds a session for ever
// (threats: slow DATA), an honest slow one is served. Only the time spent waiting for the client
// counts, not that of our own disk. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace relais::inbound {

class content_pace {
 public:
  /// `rate`: octets per second demanded on average once `grace` has passed; 0 = any.
  content_pace(std::uint64_t rate, duration grace) noexcept : rate_(rate), grace_(grace) {}

  void received(std::uint64_t octets, duration waited) noexcept {
    octets_ += octets;
    waited_ += waited;
  }
  /// How long the next read may take: at most `limit`, and not beyond the moment at which the rate
  /// would be missed. Zero: it is missed.
  duration patience(duration limit) const noexcept {
    if (rate_ == 0) return limit;
    using seconds = std::chrono::duration<double>;
    constexpr double longest = 1e9;  // seconds; no overflow below
    const auto paid = static_cast<double>(octets_) / static_cast<double>(rate_);
    const auto earned = std::chrono::duration_cast<duration>(seconds(std::min(paid, longest)));
    const auto left = std::max(grace_, earned) - waited_;
    return std::clamp(left, duration{0}, limit);
  }

 private:
  std::uint64_t rate_;
  duration grace_;
  std::uint64_t octets_ = 0;
  duration waited_{};
};

}  // namespace relais::inbound
