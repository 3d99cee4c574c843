// Text forms that a delivery report is made of: wrapping, folding, and making foreign text
// harmless. RFC 5322 2.1.1 (line lengths), RFC 3464 2.1 (fields), RFC 6533 3 (addresses).
#pragma once

#include <string>
#include <string_view>

namespace relais::message {

/// No line of a report is longer, its CRLF not counted (RFC 5321 4.5.3.1.6).
inline constexpr std::size_t longest_line = 998;

bool is_ascii(std::string_view text) noexcept;

/// One line of printable UTF-8: line ends become blanks, all other oddities are shown as \xHH.
std::string one_line(std::string_view text);
/// The same in ASCII, for fields that know nothing else.
std::string one_ascii_line(std::string_view text);

/// Words in lines of up to 76 columns where the words allow it, each line with its CRLF. `first`
/// opens the first line, `next` the others; a word too long for any line is cut.
std::string wrapped(std::string_view text, std::string_view first, std::string_view next);

/// `text` with nothing but CRLF line ends, no NUL, and no line above longest_line; it ends with
/// CRLF unless it is empty. Over-long lines are folded.
std::string clean_lines(std::string_view text);
/// Whether clean_lines would leave `text` as it is.
bool has_clean_lines(std::string_view text) noexcept;

/// Code points beyond ASCII as \x{HEX}, the rest as it is (RFC 6533 3, EmbeddedUnicodeChar); octets
/// that are no UTF-8 become "?".
std::string utf8_escaped(std::string_view text);
/// utf-8-addr-xtext of RFC 6533 3: the same, and blank, "+", "=" and "\" are escaped as well.
std::string utf8_address_in_ascii(std::string_view address);
/// Base64 in lines of 76 columns, each with its CRLF (RFC 2045 6.8).
std::string base64_lines(std::string_view octets);

}  // namespace relais::message
