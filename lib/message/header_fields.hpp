// The header section field by field (RFC 5322 2.2): what is a field, what a fold, and where the
// section ends. Works on any octets, and allocates nothing.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "base/text.hpp"

namespace relais::message {

/// Takes one line off the front, its end included; the last line of all may have none.
inline std::string_view take_line(std::string_view& rest) noexcept {
  const auto* end = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
  const auto length =
      end == nullptr ? rest.size()
                     : static_cast<std::size_t>(static_cast<const char*>(end) - rest.data()) + 1;
  const auto line = rest.substr(0, length);
  rest.remove_prefix(length);
  return line;
}

inline std::string_view without_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

inline bool is_folded(std::string_view line) noexcept {
  return line.starts_with(' ') || line.starts_with('\t');
}

/// RFC 5322 3.6.8: printable ASCII without colon, then (obsolete form) blanks before the colon;
/// octets above 127 are let pass, as they are seen in the wild. Empty if the line is no header
/// field.
inline std::string_view field_name(std::string_view line) noexcept {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const auto name = trimmed(line.substr(0, colon));
  if (name.empty() || name.data() != line.data()) return {};
  for (const char c : name)
    if (is_control(c) || c == ' ') return {};
  return name;
}

/// "From joe Sat Nov 21...", the separator of an mbox. "From : x" is a field.
inline bool is_mbox_line(std::string_view line) noexcept {
  return line.starts_with("From ") && field_name(line).empty();
}

struct header_field {
  std::string_view name;
  std::string_view value;  ///< behind the colon, with its folds and its line end
  std::string_view whole;
};

/// Calls take(field) for each field; ends where the header section ends and returns its length. An
/// mbox separator in front is no field, but what follows are fields.
template <class Take>
std::size_t for_each_field(std::string_view content, Take take) {
  auto rest = content;
  auto behind = rest;
  if (is_mbox_line(take_line(behind))) rest = behind;
  while (!rest.empty()) {
    const auto at_line = rest;
    auto line = take_line(rest);
    if (without_end(line).empty()) return content.size() - at_line.size();
    const auto name = field_name(line);
    if (name.empty()) return content.size() - at_line.size();
    while (is_folded(rest)) line = at_line.substr(0, line.size() + take_line(rest).size());
    take(header_field{name, line.substr(line.find(':') + 1), line});
  }
  return content.size();
}

}  // namespace relais::message
