#include "spool/batch.hpp"

#include <cstring>

#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

constexpr std::size_t chunk_size = 256 * 1024;
/// Below, a copy is cheaper than one more part of the write.
constexpr std::size_t copied_size = 1024;

}  // namespace

void batch::begin(std::uint64_t offset, std::uint64_t generation) {
  parts_.clear();
  oversized_.clear();
  chunk_ = used_ = 0;
  begin_ = at_ = offset;
  generation_ = generation;
  records_ = 0;
}

char* batch::reserve(std::size_t octets) {
  if (octets > chunk_size) {
    oversized_.push_back(std::make_unique_for_overwrite<char[]>(octets));
    return oversized_.back().get();
  }
  if (!chunks_.empty() && used_ + octets > chunk_size) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_size));
  }
  char* at = chunks_[chunk_].get() + used_;
  used_ += octets;
  return at;
}

void batch::part(const char* data, std::size_t size) {
  if (size == 0) return;
  at_ += size;
  if (!parts_.empty() && parts_.back().data() + parts_.back().size() == data) {
    parts_.back() = {parts_.back().data(), parts_.back().size() + size};
  } else {
    parts_.emplace_back(data, size);
  }
}

void batch::copy(std::string_view octets) {
  if (octets.empty()) return;
  char* to = reserve(octets.size());
  std::memcpy(to, octets.data(), octets.size());
  part(to, octets.size());
}

void batch::pad(std::uint64_t boundary) {
  const auto missing = static_cast<std::size_t>((boundary - at_ % boundary) % boundary);
  if (missing == 0) return;
  char* to = reserve(missing);
  std::memset(to, 0, missing);
  part(to, missing);
}

std::uint64_t batch::add(record_header header, std::string_view text, std::string_view body) {
  const auto offset = at_;
  header.generation = generation_;
  header.text_size = static_cast<std::uint32_t>(text.size());
  header.body_size = body.size();
  char* to = reserve(record_header_size);
  encode_header(header, to);
  part(to, record_header_size);
  copy(text);
  if (body.size() <= copied_size) {
    copy(body);
  } else {
    part(body.data(), body.size());
  }
  pad(8);
  ++records_;
  return offset;
}

void batch::finish(std::uint64_t number, std::uint64_t sequence, queue_id highest) {
  const auto text = encode_commit({records_, begin_, highest});
  record_header h;
  h.type = record_type::commit;
  h.id = number;
  h.sequence = sequence;
  h.checksum = crc32c(text);
  add(h, text, {});
  --records_;
  pad(block_size);
}

}  // namespace relais::spool
