#include "message/header_scan.hpp"

#include <cstring>

#include "base/text.hpp"

namespace relais::message {
namespace {

/// RFC 5322 2.1.1 limits a line to 998 octets; a longer Message-ID is nobody's.
constexpr std::size_t longest_message_id = 998;

/// Takes one line off the front, its end included; the last line of all may have none.
std::string_view take_line(std::string_view& rest) noexcept {
  const auto* end = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
  const auto length =
      end == nullptr ? rest.size()
                     : static_cast<std::size_t>(static_cast<const char*>(end) - rest.data()) + 1;
  const auto line = rest.substr(0, length);
  rest.remove_prefix(length);
  return line;
}

std::string_view without_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// RFC 5322 3.6.8: printable ASCII without colon, then (obsolete form) blanks before the colon;
/// octets above 127 are let pass, as they are seen in the wild. Empty if the line is no header
/// field.
std::string_view field_name(std::string_view line) noexcept {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const auto name = trimmed(line.substr(0, colon));
  if (name.empty() || name.data() != line.data()) return {};
  for (const char c : name)
    if (is_control(c) || c == ' ') return {};
  return name;
}

bool is_folded(std::string_view line) noexcept {
  return line.starts_with(' ') || line.starts_with('\t');
}

/// "<...>" out of an unfolded value, or "".
std::string message_id_of(std::string_view value) {
  const auto begin = value.find('<');
  if (begin == std::string_view::npos) return {};
  const auto end = value.find('>', begin);
  if (end == std::string_view::npos) return {};
  std::string id;
  for (const char c : value.substr(begin, end - begin + 1)) {
    if (is_control(c) || c == ' ') continue;  // a fold inside
    if (static_cast<unsigned char>(c) >= 0x80) return {};
    id += c;
  }
  return id.size() <= 2 || id.size() > longest_message_id ? std::string() : id;
}

/// Calls field(name, value) for each field, the value with its folds; ends where the header section
/// ends and returns its length.
template <class Field>
std::size_t for_each_field(std::string_view content, Field field) {
  auto rest = content;
  // An mbox separator in front is no field, but what follows are fields. "From : x" is a field.
  if (rest.starts_with("From ")) {
    auto behind = rest;
    if (field_name(take_line(behind)).empty()) rest = behind;
  }
  while (!rest.empty()) {
    const auto at_line = rest;
    auto line = take_line(rest);
    if (without_end(line).empty()) return content.size() - at_line.size();
    const auto name = field_name(line);
    if (name.empty()) return content.size() - at_line.size();
    while (is_folded(rest)) line = at_line.substr(0, line.size() + take_line(rest).size());
    field(name, line.substr(line.find(':') + 1));
  }
  return content.size();
}

}  // namespace

header_summary scan_header(std::string_view content) {
  header_summary summary;
  bool has_message_id = false;
  summary.length = for_each_field(content, [&](std::string_view name, std::string_view value) {
    // The length is compared before the letters: nearly all fields end here.
    switch (name.size()) {
      case 4:
        summary.has_date = summary.has_date || iequals(name, "Date");
        summary.has_from = summary.has_from || iequals(name, "From");
        break;
      case 8:
        if (iequals(name, "Received")) ++summary.received_fields;
        break;
      case 10:
        if (!has_message_id && iequals(name, "Message-ID")) {
          has_message_id = true;
          summary.message_id = message_id_of(value);
        }
        break;
      default: break;
    }
  });
  return summary;
}

std::string_view header_section(std::string_view content) noexcept {
  return content.substr(0, for_each_field(content, [](std::string_view, std::string_view) {}));
}

}  // namespace relais::message
