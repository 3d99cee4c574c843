// Puts the records of one batch together for one write: headers and small pieces in an arena, big
// contents where they are, padding between, the commit record and the padding to the block at the
// end. What is added must stay alive until the batch was written.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "spool/record.hpp"

namespace relais::spool {

class batch {
 public:
  /// Begins a batch at that offset of a segment. What was allocated before is used again.
  void begin(std::uint64_t offset, std::uint64_t generation);
  /// The block before the first batch of a segment.
  void prepend(std::string_view block) { parts_.insert(parts_.begin(), block); }

  /// Returns the record's offset in the segment. `checksum` is that of text and body.
  std::uint64_t add(record_header header, std::string_view text, std::string_view body);
  void finish(std::uint64_t number, std::uint64_t sequence, queue_id highest);

  bool empty() const noexcept { return records_ == 0; }
  std::uint64_t begins() const noexcept { return begin_; }
  std::uint64_t ends() const noexcept { return at_; }
  std::uint64_t octets() const noexcept { return at_ - begin_; }
  std::span<const std::string_view> parts() const noexcept { return parts_; }

  /// Room that the commit and the padding take at most.
  static constexpr std::uint64_t overhead = record_header_size + 128 + block_size;

 private:
  char* reserve(std::size_t octets);
  void part(const char* data, std::size_t size);
  void copy(std::string_view octets);
  void pad(std::uint64_t boundary);

  std::vector<std::unique_ptr<char[]>> chunks_;
  std::vector<std::unique_ptr<char[]>> oversized_;
  std::size_t chunk_ = 0;  ///< that is being filled
  std::size_t used_ = 0;   ///< of it
  std::vector<std::string_view> parts_;
  std::uint64_t begin_ = 0, at_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace relais::spool
