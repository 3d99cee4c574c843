// One next hop with work, sessions or a state to remember. Small while nothing happens: a hundred
// thousand dead ones must fit. The scheduler's record; delivery keeps its own part in `delivery`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "policy/route.hpp"
#include "queue/leftist_heap.hpp"
#include "queue/ready_lanes.hpp"

namespace relais::queue {

/// What delivery needs while it works for a destination; made by delivery, gone when idle. While it
/// is there (or a job is in hand) the destination stays.
struct delivery_part {
  virtual ~delivery_part() = default;
};

enum class destination_state : std::uint8_t { open, down, paused, suspended };

class destination {
 public:
  policy::next_hop hop;
  std::unique_ptr<delivery_part> delivery;

  explicit destination(policy::next_hop to) : hop(std::move(to)) {}

  destination_state state() const noexcept { return state_; }
  /// Jobs that may go now (closed: that wait to be looked at, by take_overdue()).
  std::size_t ready() const noexcept { return ready_; }
  std::size_t waiting() const noexcept { return waiting_; }
  /// Open: what is still to be sorted into the lanes; take() does it, piece by piece.
  std::size_t stalled() const noexcept { return stalled_; }
  std::size_t in_hand() const noexcept { return in_hand_; }
  /// take() would give something: open and ready, or down, its probe is due and not under way.
  bool has_work(steady_time now) const noexcept {
    if (state_ == destination_state::open) return ready_ > 0;
    return state_ == destination_state::down && probe_ == no_handle && now >= until_ &&
           stalled_ + ready_ > 0;
  }
  /// take_overdue() has something to look at.
  bool has_overdue() const noexcept {
    return state_ != destination_state::open && ready_ + leaving_ > 0;
  }
  /// Failed probes in a row.
  unsigned failures() const noexcept { return failures_; }
  /// Down: of the next probe; paused: of its end.
  steady_time until() const noexcept { return until_; }
  /// Why it is not open; "" if it is.
  std::string_view reason() const noexcept {
    return reason_ ? std::string_view(reason_.get()) : std::string_view();
  }

 private:
  friend class scheduler;
  friend class leftist_heap<destination>;
  unsigned rank() const noexcept { return rank_; }
  void set_rank(unsigned now) noexcept { rank_ = static_cast<std::uint8_t>(now); }
  bool is_before(const destination& other) const noexcept {
    return event_ != other.event_ ? event_ < other.event_ : self_ < other.self_;
  }

  std::unique_ptr<char[]> reason_;  // ends with NUL; null while it is open
  steady_time until_{};
  steady_time event_ = steady_time::max();  // when something happens by itself; max: never
  std::uint32_t ready_ = 0, waiting_ = 0, stalled_ = 0, in_hand_ = 0;
  std::uint32_t leaving_ = 0;  // of the stalled ones: to be looked at, as a fallback takes over
  handle self_ = no_handle;
  handle first_waiting_ = no_handle, first_stalled_ = no_handle;  // heaps, by job_record::at
  handle probe_ = no_handle;                                      // down: the job that tries
  heap_links links;  // in the heap of destinations, by event_
  lane_roots lanes_;
  std::uint16_t failures_ = 0;
  destination_state state_ = destination_state::open;
  std::uint8_t rank_ = 0;
  bool is_announced_ = false;  // down: the probe that is due was
  bool wakes_soon_ = false;    // on_ready() is to be called by the bell
};

}  // namespace relais::queue
