// The field table: one row binds a key of the YAML file to its member, unit, range, check and
// sentence of documentation. The loader, print(), the packaged relais.yaml and
// docs/configuration.md all walk this table, so none of them can know a key that the others do not.
// Internal to config/.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"

namespace relais::config {

template <class T>
using reach = T& (*)(settings&);

/// Where the value lives; the type is the unit.
using member = std::variant<reach<std::string>, reach<bool>, reach<std::uint64_t>,
                            reach<std::uint16_t>, reach<byte_size>, reach<duration>,
                            reach<tls_choice>, reach<log_level>, reach<std::vector<std::string>>,
                            reach<std::vector<duration>>, reach<std::vector<ip_network>>,
                            reach<std::vector<endpoint>>, reach<std::vector<listener>>>;

/// In the smallest unit of the type: bytes, nanoseconds, or the number itself; both ends included.
struct bounds {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::string_view why_least{};  ///< "RFC 5321 4.5.3.1.8"
};

/// Looks at the text of a value (or of each item of a list); "" = good, else what is wrong with it.
using text_check = std::string (*)(std::string_view text);

struct field {
  std::string_view key;  ///< "limits.message_size"
  member at;
  std::string_view doc;  ///< one sentence
  bounds range{};
  text_check check = nullptr;
  std::string_view form{};   ///< of text values: what it is, "host name"
  bool may_be_empty = true;  ///< of text values and lists
  bool is_secret = false;
  bool is_lower_case = false;  ///< text is folded when loaded

  /// "limits" and "message_size"; the section of a top-level key is empty.
  std::string_view section() const noexcept;
  std::string_view name() const noexcept;
  bool is_list() const noexcept;
};

std::span<const field> fields();
const field* find_field(std::string_view key) noexcept;
/// The sections in the order of the table, without the top level.
std::span<const std::string_view> sections();
/// What a section is about, in a sentence.
std::string_view section_doc(std::string_view section) noexcept;

}  // namespace relais::config
