// Numbers and texts as octets, for checkpoints: little-endian numbers, texts with their length in
// front.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace relais::spool {

template <std::integral Number>
void put(std::string& to, Number value) {
  const auto bits = static_cast<std::make_unsigned_t<Number>>(value);
  char octets[sizeof value];
  for (std::size_t i = 0; i < sizeof value; ++i)
    octets[i] = static_cast<char>(static_cast<unsigned char>(bits >> (8 * i)));
  to.append(octets, sizeof value);
}

inline void put_text(std::string& to, std::string_view text) {
  put(to, static_cast<std::uint32_t>(text.size()));
  to += text;
}

/// Reads what put() wrote. Past the end everything is 0 or empty, and good() says so.
class octet_reader {
 public:
  explicit octet_reader(std::string_view octets) : rest_(octets) {}

  template <std::integral Number>
  Number number() {
    std::make_unsigned_t<Number> value = 0;
    const auto octets = take(sizeof value);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      const auto octet =
          static_cast<std::make_unsigned_t<Number>>(static_cast<unsigned char>(octets[i]));
      value = static_cast<std::make_unsigned_t<Number>>(value | octet << (8 * i));
    }
    return static_cast<Number>(value);
  }
  std::string_view text() { return take(number<std::uint32_t>()); }

  std::size_t left() const noexcept { return rest_.size(); }
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto octets = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return octets;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace relais::spool
