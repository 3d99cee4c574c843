// One next hop with work, sessions or a state to remember. Small while nothing happens: a hundred
// thousand dead ones must fit. The scheduler's record; delivery keeps its own part in `delivery`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "policy/route.hpp"

namespace relais::queue {

/// What delivery needs while it works for a destination; made by delivery, gone when idle.
struct delivery_part {
  virtual ~delivery_part() = default;
};

enum class destination_state : std::uint8_t { open, down, paused, suspended };

class destination {
 public:
  policy::next_hop hop;
  std::unique_ptr<delivery_part> delivery;

  destination_state state() const noexcept { return state_; }
  /// Jobs that may go now (closed: that wait to be looked at).
  std::size_t ready() const noexcept { return ready_; }
  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t stalled() const noexcept { return stalled_; }
  std::size_t in_hand() const noexcept { return in_hand_; }
  /// take() would give something: open and ready, or down and its probe is due.
  bool has_work(steady_time now) const noexcept {
    if (state_ == destination_state::open) return ready_ > 0;
    return state_ == destination_state::down && now >= until_ && stalled_ + ready_ > 0;
  }
  /// Failed probes in a row.
  unsigned failures() const noexcept { return failures_; }
  /// Down: of the next probe; paused: of its end.
  steady_time until() const noexcept { return until_; }
  /// Why it is not open; "" if it is.
  std::string_view reason() const noexcept {
    return reason_ ? std::string_view(*reason_) : std::string_view();
  }

 private:
  friend class scheduler;
  struct queues;  // heads of lists and heaps: the scheduler's matter
  std::shared_ptr<const std::string> reason_;
  steady_time until_{};
  std::uint32_t ready_ = 0, waiting_ = 0, stalled_ = 0, in_hand_ = 0;
  std::uint16_t failures_ = 0;
  destination_state state_ = destination_state::open;
};

}  // namespace relais::queue
