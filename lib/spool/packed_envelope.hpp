// The text of an envelope (envelope_text.cpp) in fewer octets, for the index: a million messages
// that wait are mostly envelopes. Lossless for every text that encode_envelope() makes; any other
// comes back as it was, too. Pure.
#pragma once

#include <string>
#include <string_view>

namespace relais::spool {

std::string pack_envelope(std::string_view text);
std::string unpack_envelope(std::string_view packed);

}  // namespace relais::spool
