#include "spool/packed_envelope.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "spool/record_text.hpp"

namespace relais::spool {
namespace {

// The text is lines without controls, so these octets can stand for the beginnings of lines; the
// line end before is part of each.
constexpr std::array<std::string_view, 4> common{"\nto ", "\nbody 8bitmime", "\nsmtputf8",
                                                 "\norcpt rfc822;"};
constexpr char first_token = 1;
// The first octet tells whether anything was done at all.
constexpr char as_it_is = 'T', is_packed = 'P';
constexpr std::size_t time_size = 7;  // microseconds since 1970: until the year 4253
constexpr std::string_view beginning = "at ", sender = "\nfrom ", end = "\n\n";

bool has_controls(std::string_view text) noexcept {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; });
}

void append_packed(std::string& to, std::string_view text) {
  while (!text.empty()) {
    const auto at = std::min(text.find('\n'), text.size());
    to.append(text.substr(0, at));
    text.remove_prefix(at);
    if (text.empty()) return;
    const auto known = std::ranges::find_if(
        common, [&](std::string_view words) { return text.starts_with(words); });
    if (known == common.end()) {
      to += '\n';
      text.remove_prefix(1);
    } else {
      to += static_cast<char>(first_token + (known - common.begin()));
      text.remove_prefix(known->size());
    }
  }
}

}  // namespace

std::string pack_envelope(std::string_view text) {
  std::string packed;
  packed.reserve(text.size());
  auto rest = text;
  std::uint64_t at = 0;
  if (!rest.starts_with(beginning) || !rest.ends_with(end) || has_controls(rest))
    return packed.append(1, as_it_is).append(text);
  rest.remove_prefix(beginning.size());
  const bool has_zero = rest.starts_with('0');
  if (has_zero || !take_number(rest, at) || at >> (8 * time_size) != 0 ||
      !rest.starts_with(sender)) {
    return packed.append(1, as_it_is).append(text);
  }
  rest.remove_prefix(sender.size());
  rest.remove_suffix(std::min(end.size(), rest.size()));
  packed += is_packed;
  for (std::size_t i = 0; i < time_size; ++i) packed += static_cast<char>(at >> (8 * i) & 0xff);
  append_packed(packed, rest);
  return packed;
}

std::string unpack_envelope(std::string_view packed) {
  if (packed.empty()) return {};
  const bool is_text = packed.front() == as_it_is;
  packed.remove_prefix(1);
  if (is_text) return std::string(packed);
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < time_size; ++i)
    at |= static_cast<std::uint64_t>(static_cast<unsigned char>(packed[i])) << (8 * i);
  packed.remove_prefix(time_size);
  std::string text;
  text.reserve(packed.size() + 64);
  text += beginning;
  append_number(text, at);
  text += sender;
  for (const char c : packed) {
    if (c >= first_token && c < first_token + static_cast<char>(common.size())) {
      text += common[static_cast<std::size_t>(c - first_token)];
    } else {
      text += c;
    }
  }
  return text += end;
}

}  // namespace relais::spool
