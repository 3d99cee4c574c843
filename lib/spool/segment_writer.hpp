// The open end of a log: the segment that is being written, batch after batch. The committer has
// one for the hot segment, compaction one for the cold. Belongs to one runner.
#pragma once

#include <memory>
#include <string>

#include "spool/batch.hpp"
#include "spool/log_state.hpp"

namespace relais::spool {

class segment_writer {
 public:
  explicit segment_writer(log_state& state) : state_(state) {}

  bool is_open() const noexcept { return open_ != nullptr; }
  segment& target() noexcept { return *open_; }
  /// For records, after the batches so far, with what ends a batch set aside.
  std::uint64_t room() const noexcept;
  bool has_name() const { return handle_ == nullptr || handle_->has_name(); }

  /// Goes on in another segment; the one before is sealed. Errors: no_space, disk errors; then the
  /// one before stays open.
  error_code open(segment_kind kind, bool from_reserve);
  void begin(batch& b) const { b.begin(open_->end, open_->header.generation); }
  /// Ends the batch: its commit, and in a fresh segment the header in front.
  void finish(batch& b, queue_id highest);
  /// Write and sync. After an error only fail() may follow.
  error_code write(const batch& b);
  /// The segment is retired: what was in the failed batch may or may not be found in it.
  void fail(const error_code& why);

 private:
  log_state& state_;
  segment* open_ = nullptr;
  std::shared_ptr<file> handle_;
  std::string header_block_;  // of a segment that is written for the first time
  std::uint64_t batch_number_ = 0;
};

}  // namespace relais::spool
