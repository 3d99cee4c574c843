// What a record of the log looks like (docs/spool-format.md): a header line of 128 octets in ASCII,
// lines of text, and for a message its content as it will be sent, so that grep, strings and less
// work on a segment. Pure encoding and decoding, no disk. Nothing is believed before its checksum
// was right: the header has one of its own, so that no length is trusted unverified.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spool/store.hpp"

namespace relais::spool {

enum class record_type : std::uint8_t {
  message,  ///< MSG: envelope and content (or where the content is)
  moved,    ///< MOVD: the same, copied by compaction, with the states of its recipients
  states,   ///< STAT: new states of one message
  done,     ///< DONE: messages that have left
  commit    ///< CMIT: the batch before it is whole
};

inline constexpr std::size_t record_header_size = 128;
inline constexpr std::size_t block_size = 4096;  ///< batches begin at multiples of it

struct record_header {
  record_type type = record_type::message;
  std::uint64_t id = 0;        ///< queue id; of a commit: the number of the batch in its segment
  std::uint64_t sequence = 0;  ///< grows over the whole log
  std::uint64_t generation =
      0;  ///< of the segment: what a recycled segment held before has another
  std::uint32_t text_size = 0;
  std::uint64_t body_size = 0;
  std::uint32_t checksum = 0;  ///< CRC32C of text and body

  bool has_message() const noexcept {
    return type == record_type::message || type == record_type::moved;
  }
  /// Octets in the log, padding included.
  std::uint64_t size() const noexcept {
    return (record_header_size + text_size + body_size + 7) / 8 * 8;
  }
};

/// Writes record_header_size octets.
void encode_header(const record_header& header, char* to) noexcept;
/// `octets` begins with the header. Empty: no header, or a damaged one.
std::optional<record_header> decode_header(std::string_view octets) noexcept;

// --- the text of MSG and MOVD

/// The envelope as lines. Empty if an address would not survive it, or there is no recipient.
std::string encode_envelope(const message& m);

struct decoded_envelope {
  wall_time arrival;
  smtp::envelope envelope;
  std::optional<large_content> large;
  std::size_t length = 0;  ///< octets of the text that are the envelope; states follow in MOVD
};
std::optional<decoded_envelope> decode_envelope(std::string_view text);
/// How many recipients the envelope names, without parsing them; nothing if it is not an envelope.
struct envelope_outline {
  std::uint32_t recipients = 0;
  std::size_t length = 0;  ///< as above
  std::optional<large_content> large;
};
std::optional<envelope_outline> outline_envelope(std::string_view text);

// --- states: the text of STAT, and behind the envelope in MOVD

struct state_set {
  /// True: recipients that are not listed are as new (pending, never tried). False: as before.
  bool is_full = false;
  /// Of a full set: it speaks for everything up to this sequence; deltas behind it win.
  std::uint64_t as_of = 0;
  std::optional<bool> hold;
  std::optional<std::string> next_hop;  ///< "" = as routed
  std::vector<state_change::entry> entries;
};

void append_states(std::string& text, const state_set& states);
/// `recipients`: how many the message has, if known; an entry beyond them is damage.
std::optional<state_set> decode_states(std::string_view text, std::uint32_t recipients);

// --- DONE

/// A message that left, and the numbers of the segments that hold a copy of it: as long as one of
/// these is in use, the DONE record must not vanish.
struct done_entry {
  queue_id id;
  std::vector<std::uint32_t> segments;
};
void append_done(std::string& text, queue_id id, std::span<const std::uint32_t> segments);
std::optional<std::vector<done_entry>> decode_done(std::string_view text);

// --- CMIT

struct commit_text {
  std::uint64_t records = 0;  ///< in the batch, without the commit
  std::uint64_t from = 0;     ///< where the batch begins in its segment
  queue_id highest_id;        ///< of all messages so far
};
std::string encode_commit(const commit_text& c);
std::optional<commit_text> decode_commit(std::string_view text);

}  // namespace relais::spool
