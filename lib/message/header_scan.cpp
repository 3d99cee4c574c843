#include "message/header_scan.hpp"

#include "base/text.hpp"
#include "message/conversion.hpp"
#include "message/header_fields.hpp"

namespace relais::message {
namespace {

/// RFC 5322 2.1.1 limits a line to 998 octets; a longer Message-ID is nobody's.
constexpr std::size_t longest_message_id = 998;

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

}  // namespace

header_summary scan_header(std::string_view content) {
  header_summary summary;
  bool has_message_id = false;
  summary.length = for_each_field(content, [&](const header_field& field) {
    const auto name = field.name;
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
          summary.message_id = message_id_of(field.value);
        }
        break;
      default: break;
    }
  });
  summary.has_utf8 = is_8bit(content.substr(0, summary.length));
  return summary;
}

std::string_view header_section(std::string_view content) noexcept {
  return content.substr(0, for_each_field(content, [](const header_field&) {}));
}

bool header_end_finder::find(std::string_view text) noexcept {
  while (!found_) {
    const auto end = text.find('\n', searched_);
    if (end == std::string_view::npos) {
      searched_ = text.size();
      return false;
    }
    const auto line = text.substr(at_, end + 1 - at_);
    const bool goes_on = (in_field_ && is_folded(line)) || !field_name(line).empty();
    found_ = !goes_on && !(at_ == 0 && is_mbox_line(line));
    if (found_) return true;
    in_field_ = goes_on;
    at_ = searched_ = end + 1;
  }
  return true;
}

}  // namespace relais::message
