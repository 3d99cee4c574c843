// What the spool's files look like inside: pure encoding and decoding, no disk. All numbers are
// little-endian, all foreign text is length-prefixed, so no content can be taken for structure.
//
// A message file:  "relais-message 1\n", a fixed prefix with lengths and checksums (itself
//                  checksummed, so that no length is believed unverified), envelope, content.
// A state file:    "relais-states 1\n", then records that are only ever appended: length, checksum,
//                  sequence, new states of some recipients. The newest state of a recipient wins.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spool/store.hpp"

namespace relais::spool {

/// Magic line and fixed fields.
inline constexpr std::size_t message_prefix_size = 17 + 40;

/// Overwrites the magic line of a message that was answered with an error (same length): what
/// recovery finds under this mark is removed, not delivered.
inline constexpr std::string_view withdrawn_mark = "relais-withdrawn\n";

struct message_prefix {
  queue_id id;
  wall_time arrival;
  std::uint32_t envelope_size = 0;
  std::uint32_t envelope_checksum = 0;
  std::uint64_t content_size = 0;
  std::uint32_t content_checksum = 0;

  std::uint64_t content_offset() const noexcept { return message_prefix_size + envelope_size; }
};

enum class verdict : std::uint8_t {
  good,
  withdrawn,      ///< carries the withdrawn mark
  other_version,  ///< of another format version: not ours to judge
  damaged
};

/// What goes before the content: magic line, prefix, envelope.
std::string encode_message_head(const message& m);

/// `octets` is the beginning of the file, at least message_prefix_size octets of a whole file.
verdict decode_message_prefix(std::string_view octets, message_prefix& prefix);

/// Empty if checksum, structure or an address is wrong.
std::optional<smtp::envelope> decode_envelope(const message_prefix& prefix,
                                              std::string_view octets);

/// Whether every address survives a way through the spool; a message without recipients does not.
bool is_storable(const smtp::envelope& envelope);

std::string_view states_magic() noexcept;

std::string encode_states(queue_id id, std::uint64_t sequence,
                          std::span<const state_change::entry> entries);

struct state_file {
  std::vector<recipient_state> recipients;  ///< folded: the newest of each
  std::uint64_t valid_length = 0;           ///< octets up to the end of the last whole record
  std::uint64_t next_sequence = 1;
};

/// Folds the records of one file. What follows the last whole record is ignored: the torn end of
/// a batch that was never acknowledged. damaged: not even the magic line is right.
verdict decode_states(queue_id id, std::string_view octets, std::size_t recipients,
                      state_file& states);

}  // namespace relais::spool
