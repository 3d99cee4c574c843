#include "base/units.hpp"

#include <array>
#include <limits>

#include "base/text.hpp"

namespace relais {
namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array byte_units{unit{"B", 1},
                                unit{"KiB", 1ull << 10},
                                unit{"MiB", 1ull << 20},
                                unit{"GiB", 1ull << 30},
                                unit{"TiB", 1ull << 40},
                                unit{"K", 1ull << 10},
                                unit{"M", 1ull << 20},
                                unit{"G", 1ull << 30},
                                unit{"kB", 1000},
                                unit{"MB", 1000'000},
                                unit{"GB", 1000'000'000}};

constexpr std::uint64_t second = 1'000'000'000;
// From large to small: to_text() goes through in this order.
constexpr std::array time_units{unit{"w", 7 * 86400 * second},
                                unit{"d", 86400 * second},
                                unit{"h", 3600 * second},
                                unit{"m", 60 * second},
                                unit{"s", second},
                                unit{"ms", 1'000'000},
                                unit{"us", 1000},
                                unit{"ns", 1}};

/// Cuts the digits that text begins with.
std::string_view take_digits(std::string_view& text) noexcept {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  const auto digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

bool multiply(std::uint64_t& value, std::uint64_t factor, std::uint64_t limit) noexcept {
  if (factor != 0 && value > limit / factor) return false;
  value *= factor;
  return true;
}

}  // namespace

std::optional<byte_size> parse_byte_size(std::string_view text) noexcept {
  text = trimmed(text);
  auto number = parse_number(take_digits(text));
  if (!number) return {};
  const auto name = trimmed(text);
  if (name.empty()) return byte_size{*number};
  for (const auto& u : byte_units) {
    if (!iequals(u.name, name)) continue;
    if (!multiply(*number, u.factor, std::numeric_limits<std::int64_t>::max())) return {};
    return byte_size{*number};
  }
  return {};
}

std::string to_text(byte_size size) {
  for (std::size_t i = 4; i > 0; --i) {
    const auto& u = byte_units[i];
    if (size.bytes != 0 && size.bytes % u.factor == 0) {
      return std::to_string(size.bytes / u.factor) + ' ' + std::string(u.name);
    }
  }
  return std::to_string(size.bytes) + " B";
}

std::optional<duration> parse_duration(std::string_view text) noexcept {
  constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max();
  text = trimmed(text);
  if (text == "0") return duration{0};
  if (text.empty()) return {};
  std::uint64_t total = 0;
  while (!text.empty()) {
    auto number = parse_number(take_digits(text));
    if (!number) return {};
    std::size_t n = 0;
    while (n < text.size() && is_alpha(text[n])) ++n;
    const auto name = text.substr(0, n);
    text.remove_prefix(n);
    const unit* found = nullptr;
    for (const auto& u : time_units)
      if (u.name == name) found = &u;
    if (found == nullptr || !multiply(*number, found->factor, limit)) return {};
    if (*number > limit - total) return {};
    total += *number;
  }
  return duration{static_cast<std::int64_t>(total)};
}

std::string to_text(duration value) {
  if (value.count() <= 0) return "0s";
  auto rest = static_cast<std::uint64_t>(value.count());
  std::string text;
  for (const auto& u : time_units) {
    // Weeks only where they are exact: "9d" reads better than "1w2d".
    if (u.name == "w" && rest % u.factor != 0) continue;
    if (rest < u.factor) continue;
    text += std::to_string(rest / u.factor);
    text += u.name;
    rest %= u.factor;
  }
  return text;
}

}  // namespace relais
