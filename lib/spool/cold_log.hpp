// The second open segment: what compaction copies and what is carried forward goes here, apart from
// new mail, which dies young. Written and synced on the maintenance runner, never on the way of an
// acknowledgement.
#pragma once

#include <string_view>

#include "spool/segment_writer.hpp"

namespace relais::spool {

class cold_log {
 public:
  explicit cold_log(log_state& state) : state_(state), writer_(state) {}

  /// Begins a batch; `first` is the size of what is certainly going to be added.
  error_code begin(std::uint64_t first);
  bool fits(std::uint64_t octets) const noexcept {
    return batch_.octets() + octets <= writer_.room();
  }
  /// Returns the offset. Text and body must live until commit().
  std::uint64_t add(record_type type, queue_id id, std::string_view text, std::string_view body);
  /// Write and sync. After an error what was in the batch may or may not be found.
  error_code commit();
  /// The segment of the current batch.
  segment& target() noexcept { return writer_.target(); }

 private:
  log_state& state_;
  segment_writer writer_;
  batch batch_;
};

}  // namespace relais::spool
