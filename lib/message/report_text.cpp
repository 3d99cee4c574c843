#include "message/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/text.hpp"

namespace relais::message {
namespace {

constexpr std::size_t wrap_at = 76;
constexpr std::size_t longest_word = 900;
/// More than any reply that a person will read; the log has the rest.
constexpr std::size_t longest_text = 4000;

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// Where a line of at most `limit` octets may be cut without splitting a UTF-8 sequence.
std::size_t cut_point(std::string_view text, std::size_t limit) noexcept {
  auto at = limit;
  while (at > limit - 4 && is_continuation(text[at])) --at;
  return is_continuation(text[at]) ? limit : at;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, longest_text));
  std::ranges::replace_if(line, [](char c) { return c == '\r' || c == '\n' || c == '\t'; }, ' ');
  return printable(line, longest_text);
}

std::string one_ascii_line(std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string line;
  for (const char c : one_line(text)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      line += c;
    } else {
      line += {'\\', 'x', hex[octet >> 4], hex[octet & 15]};
    }
  }
  return line;
}

std::string wrapped(std::string_view text, std::string_view first, std::string_view next) {
  std::string out(first);
  std::size_t column = first.size();
  bool at_begin = true;
  const auto add = [&](std::string_view word) {
    if (!at_begin && column + 1 + word.size() > wrap_at) {
      out += "\r\n";
      out += next;
      column = next.size();
      at_begin = true;
    }
    if (!at_begin) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    at_begin = false;
  };
  for (auto word : split(text, ' ')) {
    while (word.size() > longest_word) {
      const auto cut = cut_point(word, longest_word);
      add(word.substr(0, cut));
      word.remove_prefix(cut);
    }
    if (!word.empty()) add(word);
  }
  return out + "\r\n";
}

std::string clean_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  std::size_t column = 0;
  const auto end_line = [&] {
    out += "\r\n";
    column = 0;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r') {
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      end_line();
      continue;
    }
    if (c == '\0') continue;
    if (column == longest_line) {
      end_line();
      out += '\t';
      column = 1;
    }
    out += c;
    ++column;
  }
  if (column != 0) end_line();
  return out;
}

bool has_clean_lines(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    if (end == std::string_view::npos || end > longest_line) return false;
    if (text.substr(0, end).find_first_of(std::string_view("\r\n\0", 3)) !=
        std::string_view::npos) {
      return false;
    }
    text.remove_prefix(end + 2);
  }
  return true;
}

namespace {

/// The code point that valid UTF-8 begins with, taken off; 0xfffd-like misfits give none.
std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const auto octets = text.substr(0, length);
  if (octets.size() < length || !is_valid_utf8(octets)) {
    text.remove_prefix(1);
    return {};
  }
  char32_t point = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (const char c : octets.substr(1))
    point = point << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  text.remove_prefix(length);
  return point;
}

std::string escaped(std::string_view text, std::string_view also) {
  std::string out;
  while (!text.empty()) {
    const auto point = take_code_point(text);
    if (!point) {
      out += '?';
    } else if (*point < 0x80 && !is_control(static_cast<char>(*point)) &&
               also.find(static_cast<char>(*point)) == std::string_view::npos) {
      out += static_cast<char>(*point);
    } else {
      out += fmt::format("\\x{{{:02X}}}", static_cast<std::uint32_t>(*point));
    }
  }
  return out;
}

}  // namespace

std::string utf8_escaped(std::string_view text) {
  return escaped(text, "");
}

std::string utf8_address_in_ascii(std::string_view address) {
  return escaped(address, " +=\\");
}

std::string base64_lines(std::string_view octets) {
  constexpr std::size_t per_line = 57;
  std::string out;
  out.reserve(octets.size() / 3 * 4 + octets.size() / per_line * 2 + 8);
  while (!octets.empty()) {
    out += base64_encode(octets.substr(0, per_line));
    out += "\r\n";
    octets.remove_prefix(std::min(per_line, octets.size()));
  }
  return out;
}

}  // namespace relais::message
