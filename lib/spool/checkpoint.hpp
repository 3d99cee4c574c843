// A snapshot of the index on disk, so that a start reads it and the log's tail rather than the
// whole log. Only a shortcut: the log is the truth, and any doubt about a checkpoint leads to the
// full scan. Written slice by slice while mail comes in; what changes meanwhile is in the tail.
// Blocking; on the maintenance runner, or before the store is open.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "spool/log_state.hpp"

namespace relais::spool {

class checkpointer {
 public:
  explicit checkpointer(log_state& state) : state_(state) {}
  /// Files that are there already; the next one gets a higher serial.
  void found(std::uint64_t serial);
  bool is_due() const;
  /// Errors: of the disk; the checkpoints before stay.
  error_code write();

 private:
  error_code write_all(file& to);

  log_state& state_;
  std::vector<std::uint64_t> serials_;  ///< ascending
};

struct covered_segment {
  std::uint32_t slot = 0;
  std::uint32_t number = 0;
  std::uint64_t generation = 0;
  std::uint64_t end = 0;  ///< what lies before it is in the checkpoint
};

struct checkpoint_head {
  std::uint64_t sequence = 0;  ///< everything before it is in the checkpoint
  queue_id highest_id;
  std::vector<covered_segment> segments;
};

/// Only the head. Errors: corrupt, disk errors.
result<checkpoint_head> read_checkpoint_head(disk& storage, const std::string& name);
/// Puts the entries into `to`. Errors: corrupt (then `to` may hold some of it), disk errors.
result<checkpoint_head> load_checkpoint(disk& storage, const std::string& name, index& to);

}  // namespace relais::spool
