// An 8-bit MIME message made fit for a peer without 8BITMIME (RFC 6152 3): every part whose body is
// not 7-bit becomes quoted-printable or base64, whichever is shorter, its Content-Transfer-Encoding
// and nothing else is changed. Pure; the whole content in memory.
//
// Not converted: signed and encrypted parts (RFC 1847) unless allowed; 8-bit header fields (those
// need SMTPUTF8); parts of message/* and multipart/* themselves, which may only be 7bit, 8bit or
// binary (their inner parts are).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace relais::message {

enum class conversion_fault : std::uint8_t {
  none,
  is_signed,       ///< a signed or encrypted part has 8-bit octets
  header_is_8bit,  ///< a header field has octets beyond ASCII
  malformed        ///< the MIME structure is broken, so nothing certain can be said
};

struct converted {
  std::string content;  ///< all octets below 128, lines of at most 998 octets; empty with a fault
  conversion_fault fault = conversion_fault::none;
};

/// Whether any octet is above 127.
bool is_8bit(std::string_view content) noexcept;
converted to_7bit(std::string_view content, bool also_signed);

}  // namespace relais::message
