// The value of a remote reply: enhanced codes are read strictly (RFC 3463 2, RFC 2034 4) and
// believed only where they agree with the first digit, so that no two parts of relais can disagree
// about a reply. Reading from the wire is reply_parser's.
#include "smtp/reply.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace relais::smtp {
namespace {

// Longer replies are cut in logs and reports; the full lines stay in lines().
constexpr std::size_t text_limit = 1024;

/// One to three digits without a superfluous zero, taken from the front of `text`.
std::optional<std::uint16_t> take_number(std::string_view& text) noexcept {
  std::size_t length = 0;
  unsigned value = 0;
  while (length < text.size() && length < 3 && is_digit(text[length])) {
    value = value * 10 + static_cast<unsigned>(text[length] - '0');
    ++length;
  }
  if (length == 0 || (length > 1 && text[0] == '0')) return {};
  text.remove_prefix(length);
  return static_cast<std::uint16_t>(value);
}

bool take_dot(std::string_view& text) noexcept {
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string enhanced_code::text() const {
  return present() ? fmt::format("{}.{}.{}", klass, subject, detail) : std::string();
}

std::optional<enhanced_code> enhanced_code::parse(std::string_view text) noexcept {
  if (text.empty() || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return {};
  const auto klass = static_cast<std::uint16_t>(text[0] - '0');
  text.remove_prefix(1);
  if (!take_dot(text)) return {};
  const auto subject = take_number(text);
  if (!subject || !take_dot(text)) return {};
  const auto detail = take_number(text);
  if (!detail || (!text.empty() && text[0] != ' ')) return {};
  return enhanced_code{klass, *subject, *detail};
}

reply::reply(unsigned code, std::vector<std::string> lines)
    : code_(code), lines_(std::move(lines)) {
  if (lines_.empty()) return;
  if (const auto found = enhanced_code::parse(lines_.front());
      found && found->klass == code_ / 100) {
    enhanced_ = *found;
  }
}

std::string reply::text() const {
  auto joined = fmt::format("{}", code_);
  bool first = true;
  for (std::string_view line : lines_) {
    // Servers repeat the enhanced code on each line (RFC 2034 4); a person needs it once.
    if (!first && enhanced_.present() && enhanced_code::parse(line) == enhanced_) {
      line.remove_prefix(std::min(line.size(), enhanced_.text().size()));
    }
    first = false;
    line = trimmed(line);
    if (line.empty()) continue;
    joined += ' ';
    joined += line;
    if (joined.size() > text_limit) break;
  }
  return printable(joined, text_limit);
}

}  // namespace relais::smtp
