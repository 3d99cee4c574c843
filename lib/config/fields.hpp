// The field table: one row binds a key of the YAML file to its member, unit, range, check and
// sentence of documentation; the items of lists of maps (listeners, rules...) have tables of the
// same kind. The loader, print(), the packaged relais.yaml and docs/configuration.md all walk these
// tables, so none of them can know a key that the others do not. The rows stand in
// fields_server.cpp, fields_auth.cpp... Internal to config/.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"

namespace relais::config {

/// From the owner of a table (the settings, or one item of a list) to a member of it.
template <class T>
using reach = T& (*)(void* owner);

/// Where the value lives; the type is the unit.
using member = std::variant<
    reach<std::string>, reach<bool>, reach<std::uint64_t>, reach<std::int64_t>,
    reach<std::uint16_t>, reach<byte_size>, reach<duration>, reach<listen_address>,
    // words
    reach<listener_role>, reach<listener_tls>, reach<tls_version>, reach<tristate>,
    reach<newline_choice>, reach<access_action>, reach<rate_of>, reach<rate_per>,
    reach<hello_check>, reach<reverse_dns_check>, reach<tls_choice>, reach<route_action>,
    reach<route_protocol>, reach<reply_action>, reach<log_level>,
    // lists of values
    reach<std::vector<std::string>>, reach<std::vector<duration>>, reach<std::vector<ip_network>>,
    reach<std::optional<std::vector<ip_network>>>, reach<std::vector<endpoint>>,
    // lists of maps
    reach<std::vector<listener>>, reach<std::vector<certificate_settings>>,
    reach<std::vector<certificate_login>>, reach<std::vector<access_rule>>,
    reach<std::vector<dns_list>>, reach<std::vector<rate_limit>>, reach<std::vector<reply_text>>,
    reach<std::vector<route_settings>>, reach<std::vector<reply_rule>>>;

/// In the smallest unit of the type: bytes, nanoseconds, or the number itself; both ends included.
/// Of a signed number: its magnitude.
struct bounds {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::string_view why_least{};  ///< "RFC 5321 4.5.3.1.8"
  bool or_zero = false;          ///< 0 is good besides
};

/// Looks at the text of a value (or of each item of a list); "" = good, else what is wrong with it.
using text_check = std::string (*)(std::string_view text);
/// The form in which a text is kept, if several mean the same: to_lower for domains.
using text_form = std::string (*)(std::string_view text);

struct field {
  std::string_view key;  ///< "limits.message_size"; in a table of items only "message_size"
  member at;
  std::string_view doc;  ///< one sentence
  bounds range{};
  text_check check = nullptr;
  std::string_view form{};   ///< of text values: what it is, "host name"
  bool may_be_empty = true;  ///< of text values and lists
  bool is_required = false;  ///< of items: there is no useful default
  bool is_secret = false;
  bool is_octal = false;       ///< of numbers: file modes
  text_form normal = nullptr;  ///< of text values
  /// Of secrets: the key of the file that may hold it instead, in the same table.
  std::string_view in_file{};
  std::string_view none_is = {};  ///< of optional lists: what holds if it is not given

  /// "policy.greylist" and "delay"; the section of a top-level key is empty.
  std::string_view section() const noexcept;
  std::string_view name() const noexcept;
  bool is_list() const noexcept;
  bool is_list_of_maps() const noexcept;
};

/// A section whose name has dots is a map inside of another section, behind the keys of that one.
struct section_row {
  std::string_view name, doc;
};

std::span<const field> fields();
const field* find_field(std::string_view key) noexcept;
/// The sections in the order of the table, without the top level.
std::span<const section_row> sections();
/// What a section is about, in a sentence; "" if there is none.
std::string_view section_doc(std::string_view section) noexcept;

/// What the items of a list of maps consist of.
struct item_type {
  std::string_view name;  ///< "listener"
  std::span<const field> fields;
  std::string_view short_key;  ///< an item that is a single value is this field; "" = not allowed
  bool as_map = false;         ///< written as one map, first field: second field
  std::string_view examples;   ///< good items, one a line
};

template <class T>
concept list_item =
    std::same_as<T, listener> || std::same_as<T, certificate_settings> ||
    std::same_as<T, certificate_login> || std::same_as<T, access_rule> ||
    std::same_as<T, dns_list> || std::same_as<T, rate_limit> || std::same_as<T, reply_text> ||
    std::same_as<T, route_settings> || std::same_as<T, reply_rule>;

template <list_item T>
const item_type& items_of();
template <>
const item_type& items_of<listener>();
template <>
const item_type& items_of<certificate_settings>();
template <>
const item_type& items_of<certificate_login>();
template <>
const item_type& items_of<access_rule>();
template <>
const item_type& items_of<dns_list>();
template <>
const item_type& items_of<rate_limit>();
template <>
const item_type& items_of<reply_text>();
template <>
const item_type& items_of<route_settings>();
template <>
const item_type& items_of<reply_rule>();

/// Of a list of maps; null for all other fields.
const item_type* items_of(const field& f) noexcept;

template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;
template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;

}  // namespace relais::config
