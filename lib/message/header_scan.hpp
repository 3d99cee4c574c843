// One pass over the header section of a message: what a relay needs to know of it and nothing more
// (a relay does not parse MIME). RFC 5322 2.2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace relais::message {

struct header_summary {
  std::size_t length = 0;        ///< octets of the header section, without the empty line
  unsigned received_fields = 0;  ///< hops so far (RFC 5321 6.3)
  std::string message_id;        ///< with its angle brackets, printable; "" if absent
  bool has_date = false, has_from = false;
};

/// `content` has CRLF line ends. Works on any octets.
header_summary scan_header(std::string_view content);

/// The header section of `content` including its last CRLF, without the empty line.
std::string_view header_section(std::string_view content) noexcept;

}  // namespace relais::message
