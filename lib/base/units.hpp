// Byte sizes and durations as people write them in the configuration, and back.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace relais {

struct byte_size {
  std::uint64_t bytes = 0;
  friend constexpr auto operator<=>(const byte_size&, const byte_size&) = default;
};
constexpr byte_size operator""_B(unsigned long long n) {
  return {n};
}
constexpr byte_size operator""_KiB(unsigned long long n) {
  return {n << 10};
}
constexpr byte_size operator""_MiB(unsigned long long n) {
  return {n << 20};
}
constexpr byte_size operator""_GiB(unsigned long long n) {
  return {n << 30};
}

/// "512 B", "10 KiB", "50MiB", "2 GiB", "10 kB", "25 MB", or a bare number of bytes. No sign, no
/// fraction, no overflow.
std::optional<byte_size> parse_byte_size(std::string_view text) noexcept;
/// The largest binary unit that divides evenly: "50 MiB", "1000 B".
std::string to_text(byte_size size);

/// "30s", "5m", "2h30m", "1d", "1w", "250ms"; a unit is required, but for "0".
std::optional<duration> parse_duration(std::string_view text) noexcept;
/// The shortest exact form: "5m", "1h30m", "250ms", "0s".
std::string to_text(duration value);

}  // namespace relais
