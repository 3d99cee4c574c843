#include "message/content_type.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "message/header_fields.hpp"

namespace relais::message {
namespace {

bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/// RFC 2045 5.1.
bool is_token_char(char c) noexcept {
  return c > ' ' && c < 0x7f &&
         std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

/// Reads a structured field value from its front; each take_...() eats the blanks and comments
/// behind it.
class reader {
 public:
  explicit reader(std::string_view value) : rest_(value) { skip_blanks(); }

  std::string_view take_token() { return take_while(is_token_char); }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    skip_blanks();
    return true;
  }
  std::string take_value() {
    // Boundaries such as ----=_Part_1 come without their quotes.
    if (!rest_.starts_with('"'))
      return std::string(take_while([](char c) {
        return !is_space(c) && std::string_view(";\"(").find(c) == std::string_view::npos;
      }));
    std::string text;
    std::size_t at = 1;
    for (; at < rest_.size() && rest_[at] != '"'; ++at) {
      if (rest_[at] == '\\' && at + 1 < rest_.size()) ++at;
      if (rest_[at] != '\r' && rest_[at] != '\n') text += rest_[at];
    }
    rest_.remove_prefix(std::min(rest_.size(), at + 1));
    skip_blanks();
    return text;
  }
  /// Over what nobody understands.
  void skip_to_parameter() {
    while (!rest_.empty() && rest_.front() != ';') {
      if (rest_.front() == '"')
        take_value();
      else
        rest_.remove_prefix(1);
    }
  }
  bool is_empty() const noexcept { return rest_.empty(); }
  bool is_at(char c) const noexcept { return rest_.starts_with(c); }

 private:
  std::string_view take_while(bool is_part(char)) {
    std::size_t length = 0;
    while (length < rest_.size() && is_part(rest_[length])) ++length;
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    skip_blanks();
    return taken;
  }
  void skip_blanks() {
    std::size_t depth = 0, at = 0;
    for (; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c == '(')
        ++depth;
      else if (c == ')' && depth > 0)
        --depth;
      else if (c == '\\' && depth > 0)
        ++at;
      else if (depth == 0 && !is_space(c))
        break;
    }
    rest_.remove_prefix(std::min(at, rest_.size()));
  }

  std::string_view rest_;
};

}  // namespace

content_type parse_content_type(std::string_view value) {
  reader text(value);
  content_type found;
  const auto type = text.take_token();
  found.type = to_lower(type);
  if (type.empty() || !text.take('/')) return found;
  const auto subtype = text.take_token();
  if (subtype.empty() || !(text.is_empty() || text.is_at(';'))) return found;
  found.subtype = to_lower(subtype);
  bool has_boundary = false;
  while (text.take(';') && !text.is_empty()) {
    const auto name = text.take_token();
    if (name.empty() && text.is_at(';')) continue;
    const bool is_parameter = text.take('=');
    auto parameter = is_parameter ? text.take_value() : std::string();
    const bool has_rest = !text.is_empty() && !text.is_at(';');
    text.skip_to_parameter();
    if (!iequals(name, "boundary")) continue;
    // Two of them, or more than a value: each reader of the message may believe another one.
    found.boundary = has_boundary || has_rest ? std::string() : std::move(parameter);
    has_boundary = true;
  }
  // RFC 2046 5.1.1: a boundary does not end with a blank; what is behind a delimiter is padding.
  while (found.boundary.ends_with(' ')) found.boundary.pop_back();
  return found;
}

transfer_encoding parse_transfer_encoding(std::string_view value) {
  reader text(value);
  const auto word = text.take_token();
  if (!text.is_empty()) return transfer_encoding::other;
  if (iequals(word, "7bit")) return transfer_encoding::seven_bit;
  if (iequals(word, "8bit")) return transfer_encoding::eight_bit;
  if (iequals(word, "binary")) return transfer_encoding::binary;
  if (iequals(word, "quoted-printable")) return transfer_encoding::quoted_printable;
  if (iequals(word, "base64")) return transfer_encoding::base64;
  return transfer_encoding::other;
}

entity_head read_head(std::string_view entity) {
  entity_head head;
  bool has_encoding = false;
  head.length = for_each_field(entity, [&](const header_field& field) {
    if (iequals(field.name, "Content-Type")) {
      head.is_broken = head.is_broken || head.has_type;
      head.has_type = true;
      head.type = parse_content_type(field.value);
    } else if (iequals(field.name, "Content-Transfer-Encoding")) {
      head.is_broken = head.is_broken || has_encoding;
      has_encoding = true;
      head.encoding = parse_transfer_encoding(field.value);
      head.encoding_at = static_cast<std::size_t>(field.whole.data() - entity.data());
      head.encoding_length = field.whole.size();
    } else if (iequals(field.name, "MIME-Version")) {
      head.has_version = true;
    }
  });
  auto rest = entity.substr(head.length);
  const auto line = take_line(rest);
  const bool has_end = !line.empty() && without_end(line).empty();
  head.body = has_end ? head.length + line.size() : head.length;
  head.is_broken = head.is_broken || (!has_end && !line.empty());
  return head;
}

}  // namespace relais::message
