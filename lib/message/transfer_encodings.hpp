// The two encodings of RFC 2045 6.7 and 6.8 that carry any octets through a 7-bit transport.
#pragma once

#include <string>
#include <string_view>

namespace relais::message {

/// CRLF stays a line break; every other octet that is not safe, bare CR and LF among them, becomes
/// =XX. Lines of at most 76 columns; none that a soft break opens begins with "-", so no boundary
/// delimiter comes into being. Ends as `octets` end.
std::string quoted_printable(std::string_view octets);

/// How many octets base64 takes, line ends included but for the last one.
std::size_t base64_size(std::size_t octets) noexcept;
/// In lines of 76 columns with CRLF between them, and none behind the last one.
std::string base64_body(std::string_view octets);

}  // namespace relais::message
