// How the text of records is cut into lines and words, and numbers are written: shared by
// record.cpp and envelope_text.cpp.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace relais::spool {

/// Takes one line, without its end. A text that does not end with a line end is not ours.
inline bool take_line(std::string_view& from, std::string_view& line) noexcept {
  const auto end = from.find('\n');
  if (end == std::string_view::npos) return false;
  line = from.substr(0, end);
  from.remove_prefix(end + 1);
  return true;
}

template <class Number>
bool take_number(std::string_view& from, Number& value) noexcept {
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), value);
  if (error != std::errc()) return false;
  from.remove_prefix(static_cast<std::size_t>(end - from.data()));
  return true;
}

inline bool take_blank(std::string_view& from) noexcept {
  if (!from.starts_with(' ')) return false;
  from.remove_prefix(1);
  return true;
}

inline std::int64_t to_number(wall_time t) noexcept {
  return t.time_since_epoch().count();
}
inline wall_time to_time(std::int64_t number) noexcept {
  return wall_time(std::chrono::microseconds(number));
}

template <class Number>
void append_number(std::string& text, Number value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  text.append(digits, end);
}

inline void append_hex(std::string& text, std::uint64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 16);
  text.append(digits, end);
}

}  // namespace relais::spool
