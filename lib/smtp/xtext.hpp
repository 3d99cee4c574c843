// xtext (RFC 3461 4): printable ASCII but "+" and "=", any other octet as "+" and two upper-case
// hex digits.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace relais::smtp {

bool is_xtext(std::string_view text) noexcept;
/// The decoded octets, of any value; none: not xtext.
std::optional<std::string> xtext_decode(std::string_view text);
std::string xtext_encode(std::string_view octets);

}  // namespace relais::smtp
