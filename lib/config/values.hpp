// Text to typed values and back, for every type that a field can have. A function of the parse
// family returns "" or the end of a sentence that begins with the quoted value ("is not a duration:
// ..."). Internal to config/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.hpp"
#include "config/words.hpp"

namespace relais::config {

std::string parse_value(std::string_view text, const field& f, std::string& value);
std::string parse_value(std::string_view text, const field& f, bool& value);
/// Octal where the field says so.
std::string parse_value(std::string_view text, const field& f, std::uint64_t& value);
std::string parse_value(std::string_view text, const field& f, std::int64_t& value);
std::string parse_value(std::string_view text, const field& f, std::uint16_t& value);
std::string parse_value(std::string_view text, const field& f, byte_size& value);
std::string parse_value(std::string_view text, const field& f, duration& value);
std::string parse_value(std::string_view text, const field& f, ip_network& value);
/// Name servers: the port may be left out.
std::string parse_value(std::string_view text, const field& f, endpoint& value);
std::string parse_value(std::string_view text, const field& f, listen_address& value);

/// "is none of none, may, encrypt: did you mean "may"?"
std::string unknown_word(std::string_view text, const std::string& valid,
                         std::span<const std::string_view> texts);

template <enumeration E>
std::string parse_value(std::string_view text, const field& f, E& value) {
  std::vector<std::string_view> texts;
  for (const auto& w : words(E{})) {
    if (w.text == text) {
      value = w.value;
      return {};
    }
    texts.push_back(w.text);
  }
  return unknown_word(text, all_words<E>(f.check), texts);
}

/// "0660"
std::string octal_text(std::uint64_t number);

/// The value of a field as one line of YAML that loads as the same value; lists and maps in flow
/// style. `owner` is what the field's table belongs to: the settings, or an item of a list.
std::string show(const field& f, const void* owner);
/// Of a list of maps: the lines "key: value" of each item; keys at their default are left out, but
/// for required ones.
std::vector<std::vector<std::string>> show_items(const field& f, const void* owner);
/// Of the table of an item type: the defaults of its fields, each as show() has it, in order.
std::vector<std::string> show_item_defaults(const field& list);

/// "size", "list of networks".
std::string type_name(const field& f);
/// The same for one item of a list, "network".
std::string item_type_name(const field& f);
/// "64 KiB to 1 TiB", "none, may, encrypt, verify"; "" = any value of the type.
std::string range_text(const field& f);

}  // namespace relais::config
