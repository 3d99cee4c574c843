// Text to typed values and back, for every type that a field can have. A function of the parse
// family returns "" or the end of a sentence that begins with the quoted value ("is not a duration:
// ..."). Internal to config/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/fields.hpp"

namespace relais::config {

std::string parse_value(std::string_view text, const field& f, std::string& value);
std::string parse_value(std::string_view text, const field& f, bool& value);
std::string parse_value(std::string_view text, const field& f, std::uint64_t& value);
std::string parse_value(std::string_view text, const field& f, std::uint16_t& value);
std::string parse_value(std::string_view text, const field& f, byte_size& value);
std::string parse_value(std::string_view text, const field& f, duration& value);
std::string parse_value(std::string_view text, const field& f, tls_choice& value);
std::string parse_value(std::string_view text, const field& f, log_level& value);
std::string parse_value(std::string_view text, const field& f, ip_network& value);
/// Name servers: the port may be left out.
std::string parse_value(std::string_view text, const field& f, endpoint& value);
std::string parse_value(std::string_view text, const field& f, listener& value);

/// The value of a field as one line of YAML that loads as the same value; lists in flow style.
std::string show(const field& f, const settings& values);
/// Only for the field `listeners`: its items.
std::vector<std::string> show_items(const field& f, const settings& values);
/// "size", "list of networks".
std::string type_name(const field& f);
/// The same for one item of a list, "network".
std::string item_type_name(const field& f);
/// "64 KiB to 1 TiB", "none, may, encrypt, verify"; "" = any value of the type.
std::string range_text(const field& f);

}  // namespace relais::config
