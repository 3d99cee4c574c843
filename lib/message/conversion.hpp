// An 8-bit MIME message made fit for a peer without 8BITMIME (RFC 6152 3): every part whose body is
// not 7-bit, or has lines that are too long for SMTP, becomes quoted-printable or base64, whichever
// is shorter (base64 for what is no text: the line breaks of quoted-printable are not octets), and
// its Content-Transfer-Encoding says so. Nothing else is changed, but for what follows from that:
// a label "8bit" or "binary" of what is 7-bit becomes "7bit"; octets above 127 in front of the
// first and behind the last part of a multipart, where no reader looks, become "?"; a message
// without MIME gets the fields that make it MIME, its charset "unknown-8bit" (RFC 1428 3).
//
// Not converted: signed and encrypted parts (RFC 1847) unless allowed; 8-bit header fields, of the
// message or of a part (those need SMTPUTF8); what is encoded and has 8-bit octets all the same; a
// multipart or message whose structure cannot be told for certain. Binary content (RFC 3030) may be
// converted like any other: its bare line ends and NUL are encoded.
//
// Pure; the whole content in memory. Linear in its length, as the depth of nesting is bounded.
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
/// "a signed or encrypted part must not be changed": for logs and reports; "" for none.
std::string_view to_text(conversion_fault fault) noexcept;

struct converted {
  /// All octets below 128, lines of bodies of at most 998 octets; empty with a fault.
  std::string content;
  conversion_fault fault = conversion_fault::none;
};

/// Whether any octet is above 127.
bool is_8bit(std::string_view content) noexcept;
/// ASCII content comes back as it is.
converted to_7bit(std::string_view content, bool also_signed);

}  // namespace relais::message
