// Which rows of `routes` match: in the time of a look-up, however many there are. Each row is filed
// under the words of one of its criteria; only rows that are found there are compared in full, in
// their order. Internal to policy/.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/route.hpp"

namespace relais::policy {

struct routes::matching {
  explicit matching(const std::vector<config::route_settings>& rows);

  /// The first row that matches; the number of rows: none.
  std::size_t find(const route_subject& subject) const;
  std::string_view mismatch(std::size_t number, const route_subject& subject) const;

 private:
  enum criterion : std::uint8_t { recipients, senders, users, listeners };
  static constexpr std::size_t criteria = 4;
  using keys = std::vector<std::string>;

  struct row {
    std::array<keys, criteria> words;  // sorted
  };
  struct known {  // of a subject, by criterion
    std::array<keys, criteria> words;
  };
  known known_of(const route_subject& subject) const;

  std::vector<row> rows_;
  std::array<std::unordered_map<std::string, std::vector<std::uint32_t>>, criteria> filed_;
  std::vector<std::uint32_t> unconditional_;
  std::array<bool, criteria> is_asked_{};
};

}  // namespace relais::policy
