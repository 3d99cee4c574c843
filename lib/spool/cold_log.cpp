#include "spool/cold_log.hpp"

#include "spool/crc32c.hpp"

namespace relais::spool {

std::uint64_t cold_log::room() const noexcept {
  if (open_ == nullptr) return 0;
  const auto used = open_->end + batch::overhead;
  return used < state_.options.segment_size ? state_.options.segment_size - used : 0;
}

bool cold_log::fits(std::uint64_t octets) const noexcept {
  return batch_.octets() + octets <= room();
}

error_code cold_log::begin(std::uint64_t first) {
  if (open_ != nullptr && room() < first) {
    const std::lock_guard lock(state_.mutex);
    open_->use = segment_use::sealed;
    open_ = nullptr;
  }
  if (open_ == nullptr) {
    auto taken = state_.take_segment(segment_kind::cold, true);
    if (!taken) return taken.error();
    open_ = taken->s;
    handle_ = std::move(taken->handle);
    header_block_ = encode_segment_header(open_->header);
    batch_number_ = 0;
  }
  batch_.begin(open_->end, open_->header.generation);
  return {};
}

std::uint64_t cold_log::add(record_type type, queue_id id, std::string_view text,
                            std::string_view body) {
  record_header h;
  h.type = type;
  h.id = id.value;
  h.sequence = state_.next_sequence++;
  h.checksum = crc32c(body, crc32c(text));
  return batch_.add(h, text, body);
}

error_code cold_log::commit() {
  queue_id highest;
  {
    const std::lock_guard lock(state_.mutex);
    highest = state_.highest_id;
  }
  batch_.finish(++batch_number_, state_.next_sequence++, highest);
  const auto offset = header_block_.empty() ? batch_.begins() : 0;
  if (!header_block_.empty()) batch_.prepend(header_block_);
  auto error = handle_->write_at(offset, batch_.parts());
  if (!error) error = handle_->sync();
  if (error) {
    state_.retire(*open_, error);
    open_ = nullptr;
    handle_.reset();
    return error;
  }
  header_block_.clear();
  state_.octets_written += batch_.ends() - offset;
  state_.octets_compacted += batch_.octets();
  const std::lock_guard lock(state_.mutex);
  state_.log_since_checkpoint += batch_.octets();
  open_->end = batch_.ends();
  return {};
}

}  // namespace relais::spool
