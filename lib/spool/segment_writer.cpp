#include "spool/segment_writer.hpp"

namespace relais::spool {

std::uint64_t segment_writer::room() const noexcept {
  if (open_ == nullptr) return 0;
  const auto used = open_->end + batch::overhead;
  return used < state_.options.segment_size ? state_.options.segment_size - used : 0;
}

error_code segment_writer::open(segment_kind kind, bool from_reserve) {
  auto taken = state_.take_segment(kind, from_reserve);
  if (!taken) return taken.error();
  if (open_ != nullptr) {
    const std::lock_guard lock(state_.mutex);
    open_->use = segment_use::sealed;
  }
  open_ = taken->s;
  handle_ = std::move(taken->handle);
  header_block_ = encode_segment_header(open_->header);
  batch_number_ = 0;
  return {};
}

void segment_writer::finish(batch& b, queue_id highest) {
  b.finish(++batch_number_, state_.next_sequence++, highest);
  if (!header_block_.empty()) b.prepend(header_block_);
}

error_code segment_writer::write(const batch& b) {
  const auto offset = header_block_.empty() ? b.begins() : 0;
  if (const auto error = handle_->write_at(offset, b.parts())) return error;
  if (const auto error = handle_->sync()) return error;
  header_block_.clear();
  state_.octets_written += b.ends() - offset;
  return {};
}

void segment_writer::fail(const error_code& why) {
  state_.retire(*open_, why);
  open_ = nullptr;
  handle_.reset();
}

}  // namespace relais::spool
