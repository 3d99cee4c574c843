// Small text functions on octets. Case folding is ASCII only: protocol words, never human text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relais {

constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr char ascii_upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}
constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) noexcept {
  return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}
constexpr bool is_alnum(char c) noexcept {
  return is_digit(c) || is_alpha(c);
}
/// C0 controls and DEL.
constexpr bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
}

constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  return true;
}
constexpr bool istarts_with(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

std::string to_lower(std::string_view text);
/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text) noexcept;
std::vector<std::string_view> split(std::string_view text, char separator);
/// Decimal digits only, no sign, no overflow; nothing else is a number.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// For logs and reports: controls, DEL and octets that are no valid UTF-8 become \xHH, a backslash
/// stays; at most `limit` octets of input are shown, "..." marks the cut. What comes from the wire
/// goes through here before a person or a terminal sees it.
std::string printable(std::string_view text, std::size_t limit = 512);
void append_printable(std::string& to, std::string_view text, std::size_t limit = 512);

bool is_valid_utf8(std::string_view text) noexcept;

/// RFC 4648 base64 with padding. Decoding is strict: no line breaks, no spaces, nothing behind.
std::string base64_encode(std::string_view octets);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace relais
