// Walks the records of one segment, from one offset to the end of what counts. A batch counts as a
// whole, once its commit is there: what follows the last whole batch was never acknowledged, unless
// a later batch is found behind it. Then it is damage, the records around it that are intact still
// count, and the hole is reported. Blocking; memory is bounded by one batch and a buffer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "spool/disk.hpp"
#include "spool/record.hpp"

namespace relais::spool {

/// A record that counts. The views live as long as the call.
struct record_view {
  const record_header& header;
  std::uint64_t offset = 0;  ///< of the header, in the segment
  std::string_view text;     ///< verified, unless `!verified`
  bool verified = true;      ///< false: the checksum over text and body was not looked at
};

struct read_request {
  std::uint64_t generation = 0;
  std::uint64_t first_sequence = 0;  ///< of the segment's header: no record in it has a lower one
  std::uint64_t from = block_size;   ///< a batch boundary
  std::uint64_t size = 0;            ///< of the segment
  /// Everything up to there was acknowledged, another segment says: what is not there is damage.
  std::uint64_t known_end = 0;
  /// Whether the content of messages is read and summed, too. Text always is.
  bool verify_bodies = true;
  /// Known-bad reading for a test: generation and order are not looked at.
  bool believe_anything = false;
};

struct read_outcome {
  std::uint64_t end = 0;   ///< where the last whole batch ends, padded
  std::uint64_t torn = 0;  ///< octets behind it that look like an unfinished batch, 0: none
  std::uint64_t records = 0;
  queue_id highest_id;  ///< as the last commit says
  std::uint64_t highest_sequence = 0;
};

/// `take` is called per record in the order of the file; `complain` once per hole, with a sentence
/// that names the offset. Errors: of the disk.
result<read_outcome> read_segment(file& from, const read_request& request,
                                  const std::function<void(const record_view&)>& take,
                                  const std::function<void(const std::string&)>& complain);

}  // namespace relais::spool
