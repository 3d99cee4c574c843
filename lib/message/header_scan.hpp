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
  bool has_utf8 = false;  ///< an octet above 127 (RFC 6532, or none of any standard)
};

/// `content` has CRLF line ends. Works on any octets.
header_summary scan_header(std::string_view content);

/// The header section of `content` including its last CRLF, without the empty line.
std::string_view header_section(std::string_view content) noexcept;

/// Finds where the header section ends while the content arrives; no octet is looked at again and
/// again.
class header_end_finder {
 public:
  /// `text` is all that has arrived. True: the line at position() is there with its end, and is not
  /// of the header: the empty line, or one that is no field.
  bool find(std::string_view text) noexcept;
  std::size_t position() const noexcept { return at_; }

 private:
  std::size_t at_ = 0;        // begin of the line that is looked at
  std::size_t searched_ = 0;  // no line end before
  bool in_field_ = false;
  bool found_ = false;
};

}  // namespace relais::message
