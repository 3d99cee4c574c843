// What the first block of a segment file says, and where the files of the spool are. A segment is a
// slot: its file name never changes, what it holds does. Pure, no disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/queue_id.hpp"

namespace relais::spool {

namespace layout {
inline constexpr std::string_view segments = "segments";
inline constexpr std::string_view large = "large";
inline constexpr std::string_view checkpoint_prefix = "checkpoint-";
inline constexpr std::string_view checkpoint_draft = "checkpoint.new";
/// One file per message, before there was a log.
inline constexpr std::string_view before_the_log = "messages";

std::string segment_file(std::uint32_t slot);
std::optional<std::uint32_t> slot_of(std::string_view file_name);
std::string large_folder(queue_id id);  ///< "large/5f"
std::string large_file(queue_id id);    ///< "large/5f/<ID>"
std::string checkpoint_file(std::uint64_t serial);
std::optional<std::uint64_t> serial_of(std::string_view file_name);
}  // namespace layout

enum class segment_kind : std::uint8_t {
  free,  ///< nothing in it counts
  hot,   ///< new messages and states
  cold   ///< what compaction saved, and what was carried forward
};

/// Kept within the first 512 octets, which a disk writes whole or not at all.
struct segment_header {
  segment_kind kind = segment_kind::free;
  std::uint32_t number = 0;      ///< grows with every use of any segment; 0: never used
  std::uint64_t generation = 0;  ///< random, in every record of this use
  std::uint64_t sequence = 0;    ///< every record in it has this one or a higher one
  queue_id highest_id;           ///< of all messages stored before
  /// The segment of the same kind that was written before this one by the same run, and where it
  /// ended: what is missing there is damage, not the torn end that a crash leaves. 0: not known.
  std::uint32_t previous = 0;
  std::uint64_t previous_end = 0;
};

/// One block (record.hpp).
std::string encode_segment_header(const segment_header& header);

enum class header_verdict : std::uint8_t {
  good,
  blank,          ///< all zero: a segment whose making did not end; nothing was ever in it
  other_version,  ///< of a format that this program does not know
  damaged
};
header_verdict decode_segment_header(std::string_view block, segment_header& header);

}  // namespace relais::spool
