// What the parts of the log store share: the committer, reclamation, checkpoints, enumeration and
// readers. One mutex guards index and segments; it is held for short in-memory work only, never
// across a write or a sync.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "base/random.hpp"
#include "spool/index.hpp"
#include "spool/segment_table.hpp"
#include "spool/store.hpp"

namespace relais::spool {

struct log_state {
  log_state(const store_world& w, const store_options& o)
      : world(w),
        options(o),
        segments(w.storage),
        salts(o.seed),
        checkpoint_due(o.checkpoint_after) {}

  store_world world;
  store_options options;

  /// Segment files are made one at a time: a failed sync of the directory may have lost the names
  /// of all that were being made, and only one of the callers would be told.
  std::mutex making;
  std::mutex mutex;
  // --- guarded by mutex
  spool::index index;
  segment_table segments;
  seeded_random salts;
  std::uint32_t last_number = 0;  ///< of the segment taken last
  /// The first sequence of the batch that is being written; 0: none. Everything before it is in the
  /// index: that is what a checkpoint speaks for.
  std::uint64_t sequence_in_flight = 0;
  queue_id highest_id;
  std::uint64_t live_octets = 0;
  std::uint64_t died_octets = 0;  ///< of all messages that have left
  std::uint64_t log_octets = 0;   ///< written by the committer, in all
  std::uint64_t log_since_checkpoint = 0;
  std::uint64_t checkpoint_due = 0;       ///< octets of log after which the next one is written
  std::vector<queue_id> large_to_remove;  ///< their removal is durable
  // ---

  std::atomic<std::uint64_t> next_sequence{1};
  std::atomic<std::uint64_t> free_bytes{0};
  std::atomic<std::uint64_t> free_inodes{0};
  std::atomic<std::uint64_t> log_room{0};  ///< in the open segment and the free ones beyond reserve
  std::atomic<std::uint64_t> queued_octets{0};
  std::atomic<bool> is_enumerated{false};
  std::atomic<bool> may_checkpoint{true};
  std::atomic<bool> maintenance_due{false};  ///< the committer has seen something to do
  std::atomic<bool> has_failed{false};       ///< for good
  std::atomic<bool> is_doubtful{false};      ///< a write failed, no later one has succeeded yet
  std::atomic<std::uint64_t> octets_written{0}, octets_compacted{0}, batches{0}, checkpoints{0},
      write_errors{0};

  void warn(const std::string& sentence) const {
    if (options.warn) options.warn(sentence);
  }
  /// Asks the file system.
  void look_at_space();
  /// After the pool has changed; the mutex is held.
  void count_room();
  void set_open_room(std::uint64_t octets);
  health has_room(std::uint64_t octets) const noexcept;
  bool would_fit(std::uint64_t octets) const noexcept;

  /// A free segment made ready for a new use: number, generation and kind are set, its file is
  /// open. With `from_reserve` the last ones may be taken, too. Errors: no_space, disk errors.
  struct taken {
    segment* s = nullptr;
    std::shared_ptr<file> handle;
  };
  result<taken> take_segment(segment_kind kind, bool from_reserve);
  result<std::shared_ptr<file>> make_segment(std::uint32_t slot) {
    const std::lock_guard lock(making);
    return spool::make_segment(world.storage, options, slot);
  }
  /// A write to it failed: it is never written or synced again.
  void retire(segment& s, const error_code& why);

  /// A message came to the log, or left it: the accounts of its segment. Mutex held.
  void count_live(const index_entry& entry, bool lives) noexcept;
  /// It has left for good: accounts, file and index; `holder` has its DONE record. Mutex held.
  void leave(index_entry& entry, segment& holder);
  /// The numbers of all segments with a copy of it. Mutex held.
  std::vector<std::uint32_t> copies_of(const index_entry& entry) const;

 private:
  std::atomic<std::uint64_t> open_room_{0};
  std::uint32_t last_taken_[2] = {0, 0};  // numbers; hot, cold. Guarded by mutex
};

}  // namespace relais::spool
