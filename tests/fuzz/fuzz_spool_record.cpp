// Decoding any octets as message head or state file: no crash, and what is accepted encodes to the
// same. The checksums are repaired first in one mode, or no input would ever get behind them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "spool/crc32c.hpp"
#include "spool/record.hpp"

using namespace relais;
using namespace relais::spool;

namespace {

void check_envelope(std::string_view octets) {
  message_prefix prefix;
  prefix.envelope_size = static_cast<std::uint32_t>(octets.size());
  prefix.envelope_checksum = crc32c(octets);
  const auto envelope = decode_envelope(prefix, octets);
  if (!envelope) return;
  if (!is_storable(*envelope)) std::abort();
  message m;
  m.envelope = *envelope;
  if (encode_message_head(m).substr(message_prefix_size) != octets) std::abort();
}

void check_head(std::string_view octets) {
  message_prefix prefix;
  if (decode_message_prefix(octets, prefix) != verdict::good) return;
  (void)decode_envelope(prefix, octets.substr(message_prefix_size));
}

void check_states(std::string_view octets) {
  state_file states;
  const auto judgement = decode_states(queue_id{1}, octets, 3, states);
  if (judgement == verdict::good && states.valid_length > octets.size()) std::abort();
  if (states.recipients.size() != 3) std::abort();
}

/// `payload` becomes the body of a record with a right checksum.
void check_repaired_states(std::string_view payload) {
  std::string salt;
  for (int i = 0; i < 8; ++i) salt += i == 0 ? '\1' : '\0';
  std::string length;
  for (int i = 0; i < 4; ++i) length += static_cast<char>((payload.size() >> (8 * i)) & 0xff);
  const auto checksum = crc32c(payload, crc32c(salt + length));
  std::string file(states_magic());
  file += length;
  for (int i = 0; i < 4; ++i) file += static_cast<char>((checksum >> (8 * i)) & 0xff);
  file += payload;
  check_states(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: check_head(octets); break;
    case 1: check_envelope(octets); break;
    case 2: check_states(octets); break;
    default: check_repaired_states(octets); break;
  }
  return 0;
}
