// The second open segment: what compaction copies and what is carried forward goes here, apart from
// new mail, which dies young. Written and synced on the maintenance runner, never on the way of an
// acknowledgement.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "spool/batch.hpp"
#include "spool/log_state.hpp"

namespace relais::spool {

class cold_log {
 public:
  explicit cold_log(log_state& state) : state_(state) {}

  /// Begins a batch; `first` is the size of what is certainly going to be added.
  error_code begin(std::uint64_t first);
  bool fits(std::uint64_t octets) const noexcept;
  /// Returns the offset. Text and body must live until commit().
  std::uint64_t add(record_type type, queue_id id, std::string_view text, std::string_view body);
  bool empty() const noexcept { return batch_.empty(); }
  /// Write and sync. After an error the segment is retired, and what was in the batch may or may
  /// not be found in it.
  error_code commit();
  /// The segment of the current batch.
  segment& target() noexcept { return *open_; }

 private:
  std::uint64_t room() const noexcept;
  log_state& state_;
  segment* open_ = nullptr;
  std::shared_ptr<file> handle_;
  std::string header_block_;
  std::uint64_t batch_number_ = 0;
  batch batch_;
};

}  // namespace relais::spool
