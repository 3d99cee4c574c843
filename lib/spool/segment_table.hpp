// The segment files of a spool: which is in use for what, how much of each still lives, and which
// are free to be written again. Making, recycling and opening files is here; what is in them is
// not. Not thread-safe: guarded by log_state::mutex, but for the calls that say so.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "spool/disk.hpp"
#include "spool/segment.hpp"
#include "spool/store.hpp"

namespace relais::spool {

enum class segment_use : std::uint8_t {
  free,    ///< may be taken
  open,    ///< being written
  sealed,  ///< full, or left behind by an earlier run
  failed   ///< a write or sync failed, or it cannot be read: never touched again by this run
};

/// A DONE record in one segment that is needed as long as the message's copy in another exists.
struct done_ref {
  queue_id id;
  std::uint32_t segment = 0;  ///< number, of the copy
};
/// A STAT record in a segment.
struct state_ref {
  queue_id id;
  std::uint64_t sequence = 0;  ///< of a full one: what it speaks for
  bool is_full = false;
};

struct segment {
  std::uint32_t slot = 0;
  segment_use use = segment_use::free;
  segment_header header;
  std::uint64_t size = 0;  ///< of the file, if it is not as configured; else 0
  std::uint64_t end = 0;   ///< where the last whole batch ends
  std::uint64_t live_octets = 0;
  std::uint32_t live_messages = 0;
  /// What must be carried forward before it is freed; not known for what a checkpoint covers.
  std::vector<done_ref> done;
  std::vector<state_ref> states;
  bool refs_known = true;
  bool is_stuck = false;            ///< something in it cannot be saved: it stays
  bool is_postponed = false;        ///< no room to carry forward what it holds, for the moment
  std::uint64_t taken_at = 0;       ///< octets of log then
  std::uint64_t wait_for_dead = 0;  ///< not freed before so many octets have died in all
  std::uint64_t wait_for_log = 0;   ///< nor before so many have been logged
  bool is_suspect = false;  ///< its header is damaged: what lives in it is to be saved first

  std::uint32_t number() const noexcept { return header.number; }
};

class segment_table {
 public:
  explicit segment_table(disk& storage) : disk_(storage) {}

  /// A file that was found. Slots are given once.
  segment& adopt(std::uint32_t slot);
  /// The segment that has this number now; null if none is in use under it.
  segment* find(std::uint32_t number) noexcept;
  /// After `use` and `header` were set by whoever takes, reads or frees the segment.
  void registered(segment& s);
  void freed(segment& s);
  /// A free segment, taken out of the pool; null: there is none.
  segment* take() noexcept;
  void give_back(segment& s) { pool_.push_back(&s); }
  std::size_t free_count() const noexcept { return pool_.size(); }
  std::size_t used_count() const noexcept { return by_number_.size(); }
  std::uint32_t new_slot() noexcept { return next_slot_++; }
  /// A free one that is not to be used.
  void set_aside(segment& s) {
    std::erase(pool_, &s);
    s.use = segment_use::failed;
  }
  /// Freed, but its file is not what is needed: the file is the caller's to remove.
  void discarded(segment& s) {
    by_number_.erase(s.number());
    files_.erase(s.slot);
    s.use = segment_use::failed;
  }
  /// Leaves the table; its file is the caller's to remove.
  void forget(segment& s);
  const std::map<std::uint32_t, std::unique_ptr<segment>>& all() const noexcept { return slots_; }

  /// The file of a segment, opened when needed; a limited number stays open.
  result<std::shared_ptr<file>> open(const segment& s);
  void keep(const segment& s, std::shared_ptr<file> opened);
  void close(const segment& s) { files_.erase(s.slot); }

 private:
  static constexpr std::size_t most_open = 128;
  disk& disk_;
  std::map<std::uint32_t, std::unique_ptr<segment>> slots_;
  std::unordered_map<std::uint32_t, segment*> by_number_;
  std::deque<segment*> pool_;
  std::map<std::uint32_t, std::shared_ptr<file>> files_;
  std::uint32_t next_slot_ = 0;
};

/// Makes a segment file: all its room reserved, its header free, durable with its name. Blocking,
/// without the table.
result<std::shared_ptr<file>> make_segment(disk& storage, const store_options& options,
                                           std::uint32_t slot);
/// Writes a new segment over once, so that no later write needs the file system's journal.
error_code fill_segment(file& made, std::uint64_t size);

}  // namespace relais::spool
