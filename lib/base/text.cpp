#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace relais {

std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), ascii_lower);
  return lower;
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || !is_digit(text.front()) || error != std::errc{} || at != end) return {};
  return value;
}

namespace {

/// The length of the valid UTF-8 sequence that text begins with, 0 if there is none.
std::size_t utf8_sequence(std::string_view text) noexcept {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) {
    return i < text.size() && (octet(i) & 0xc0) == 0x80;
  };
  const unsigned lead = octet(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xe0 && octet(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && octet(1) > 0x9f) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xf0 && octet(1) < 0x90) return 0;  // overlong
    if (lead == 0xf4 && octet(1) > 0x8f) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

bool is_valid_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_printable(std::string& to, std::string_view text, std::size_t limit) {
  static constexpr char hex[] = "0123456789abcdef";
  const bool cut = text.size() > limit;
  if (cut) text = text.substr(0, limit);
  while (!text.empty()) {
    // Nearly always all of it, in one piece.
    const auto ordinary = std::ranges::find_if(text, [](char c) { return c < ' ' || c > '~'; });
    to.append(text.begin(), ordinary);
    text.remove_prefix(static_cast<std::size_t>(ordinary - text.begin()));
    if (text.empty()) break;
    const auto length = utf8_sequence(text);
    // C1 controls (U+0080..U+009F) can drive terminals, too.
    const bool c1 = length == 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0 || is_control(text[0]) || c1) {
      const auto octet = static_cast<unsigned char>(text[0]);
      to += {'\\', 'x', hex[octet >> 4], hex[octet & 15]};
      text.remove_prefix(1);
    } else {
      to += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  if (cut) to += "...";
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string shown;
  shown.reserve(std::min(text.size(), limit));
  append_printable(shown, text, limit);
  return shown;
}

namespace {
constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64_encode(std::string_view octets) {
  std::string text;
  text.reserve((octets.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group <<= 8;
      if (i + k < octets.size()) group |= static_cast<unsigned char>(octets[i + k]);
    }
    const auto present = std::min<std::size_t>(3, octets.size() - i);
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= present ? base64_alphabet[(group >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::string octets;
  octets.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    std::size_t padding = 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      group <<= 6;
      if (c == '=') {
        if (!last || k < 2) return {};
        ++padding;
        continue;
      }
      const auto value = base64_alphabet.find(c);
      if (padding > 0 || value == std::string_view::npos) return {};
      group |= static_cast<std::uint32_t>(value);
    }
    // Bits that padding hides must be zero: one text for one value.
    if ((padding == 1 && (group & 0xff) != 0) || (padding == 2 && (group & 0xffff) != 0)) return {};
    octets += static_cast<char>(group >> 16);
    if (padding < 2) octets += static_cast<char>((group >> 8) & 0xff);
    if (padding < 1) octets += static_cast<char>(group & 0xff);
  }
  return octets;
}

}  // namespace relais
