// What a job is while the scheduler has it: 48 octets, wherever it stands. Its three links make it
// a member of a lane (ready_lanes) or of a heap (leftist_heap).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "queue/leftist_heap.hpp"
#include "queue/queued_message.hpp"

namespace relais::queue {

/// withdrawn: in hand, and to be dropped when it comes back; held_back: as in_hand, until begin()
enum class job_state : std::uint8_t { ready, waiting, stalled, in_hand, withdrawn, held_back };
enum class job_lane : std::uint8_t { high, normal, low };

/// The time in its name: what the schedule needs of a message without asking for it.
inline wall_time arrival_of(queue_id id) noexcept {
  return wall_time(std::chrono::milliseconds(static_cast<std::int64_t>(id.value >> 16)));
}

/// What few jobs have: the message, while it is hot; the recipients, if there are several.
struct job_burden {
  std::shared_ptr<const queued_message> message;
  std::vector<std::uint32_t> recipients;
};

struct job_record {
  /// Flows of one lane: senders whose hashes agree in these bits share one.
  static constexpr unsigned flows = 64;
  static constexpr std::uint32_t most_attempts = (1u << 13) - 1;
  static constexpr std::uint32_t most_warnings = (1u << 6) - 1;
  static constexpr std::size_t inline_recipients = 1u << 24;  ///< indexes below that

  queue_id id;
  steady_time at{};  ///< waiting: due; stalled: its deadline; ready: since when
  std::unique_ptr<job_burden> burden;
  handle home = no_handle;  ///< its destination
  heap_links links;         ///< ready: see ready_lanes
  std::uint32_t recipient : 24 = 0;
  std::uint32_t rank_ : 8 = 0;
  std::uint32_t attempts : 13 = 0;
  std::uint32_t warnings : 6 = 0;
  std::uint32_t flow : 6 = 0;
  std::uint32_t lane_ : 2 = 0;
  std::uint32_t state_ : 3 = 0;
  std::uint32_t is_report : 1 = 0;
  std::uint32_t is_overdue : 1 = 0;  ///< stalled, and its deadline has come

  job_record() = default;

  job_state state() const noexcept { return static_cast<job_state>(state_); }
  void set_state(job_state now) noexcept { state_ = static_cast<std::uint32_t>(now) & 7; }
  std::size_t lane() const noexcept { return lane_; }
  void set_lane(job_lane now) noexcept { lane_ = static_cast<std::uint32_t>(now) & 3; }
  unsigned rank() const noexcept { return rank_; }
  void set_rank(unsigned now) noexcept { rank_ = now & 255; }
  /// The older message first among equals.
  bool is_before(const job_record& other) const noexcept {
    return at != other.at ? at < other.at : id < other.id;
  }
};
static_assert(sizeof(job_record) <= 48);

}  // namespace relais::queue
