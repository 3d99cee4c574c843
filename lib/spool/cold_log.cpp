#include "spool/cold_log.hpp"

#include "spool/crc32c.hpp"

namespace relais::spool {

error_code cold_log::begin(std::uint64_t first) {
  if (writer_.room() < first) {
    if (const auto error = writer_.open(segment_kind::cold, true)) return error;
  }
  writer_.begin(batch_);
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
  writer_.finish(batch_, highest);
  if (const auto error = writer_.write(batch_)) {
    writer_.fail(error);
    return error;
  }
  state_.octets_compacted += batch_.octets();
  const std::lock_guard lock(state_.mutex);
  state_.log_since_checkpoint += batch_.octets();
  writer_.target().end = batch_.ends();
  return {};
}

}  // namespace relais::spool
