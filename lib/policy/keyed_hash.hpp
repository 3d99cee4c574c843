// Short names for what clients say: 128 bits of a keyed hash, so that a table's memory does not
// depend on the length of addresses, nobody can aim at its collisions, and a file of them tells
// nothing about who writes to whom.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace relais::policy {

using digest = std::array<std::uint8_t, 16>;

struct digest_hash {
  std::size_t operator()(const digest& d) const noexcept;
};

std::string to_hex(const digest& d);
/// Exactly 32 lower-case hex digits.
std::optional<digest> parse_digest(std::string_view text) noexcept;

class keyed_hash {
 public:
  /// The secret is the caller's to draw (OpenSSL), and to keep.
  explicit keyed_hash(const digest& secret) noexcept : secret_(secret) {}
  /// Of the list, not of the text: {"a", "bc"} differs from {"ab", "c"}.
  digest operator()(std::initializer_list<std::string_view> parts) const;
  const digest& secret() const noexcept { return secret_; }

 private:
  digest secret_;
};

}  // namespace relais::policy
