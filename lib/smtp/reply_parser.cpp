// Incremental reading of multi-line replies, see the header. Limits count what the wire carried, so
// that the outcome does not depend on how the octets were cut into reads. RFC 5321 4.2, 4.5.3.1.5.
#include "smtp/reply_parser.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace relais::smtp {
namespace {

/// 200-599 (RFC 5321 4.2.1 has no 1yz in SMTP), 0 if `line` does not begin so.
unsigned code_of(std::string_view line) noexcept {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
      !is_digit(line[2])) {
    return 0;
  }
  const auto digit = [&](std::size_t i) { return static_cast<unsigned>(line[i] - '0'); };
  return digit(0) * 100 + digit(1) * 10 + digit(2);
}

}  // namespace

void reply_parser::receive(std::string_view octets) {
  if (broken_) return;
  if (read_ > 0) {
    buffer_.erase(0, read_);
    scanned_ -= read_;
    read_ = 0;
  }
  buffer_ += octets;
}

void reply_parser::clear() noexcept {
  *this = reply_parser(limits_);
}

result<std::optional<reply>> reply_parser::next() {
  while (!broken_) {
    const auto line = next_line();
    if (!line) break;
    if (!*line) return std::optional<reply>();
    const auto kind = add_line(**line);
    if (kind == line_kind::broken) break;
    if (kind == line_kind::more_follow) continue;
    octets_ = 0;
    return std::optional<reply>(
        reply(std::exchange(code_, 0U), std::exchange(lines_, std::vector<std::string>())));
  }
  broken_ = true;
  return make_error_code(errc::protocol_error);
}

result<std::optional<std::string_view>> reply_parser::next_line() {
  const auto at = buffer_.find('\n', std::max(scanned_, read_));
  if (at == std::string::npos) {
    scanned_ = buffer_.size();
    // One octet more, the line end, would be too much.
    if (scanned_ - read_ >= limits_.line) return make_error_code(errc::protocol_error);
    return std::optional<std::string_view>();
  }
  const auto size = at + 1 - read_;
  octets_ += size;
  if (size > limits_.line || octets_ > limits_.octets) return make_error_code(errc::protocol_error);
  auto line = std::string_view(buffer_).substr(read_, size - 1);
  read_ = scanned_ = at + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return std::optional<std::string_view>(line);
}

reply_parser::line_kind reply_parser::add_line(std::string_view line) {
  const auto code = code_of(line);
  const bool separated =
      line.size() == 3 || (line.size() > 3 && (line[3] == ' ' || line[3] == '-'));
  if (code == 0 || !separated || (code_ != 0 && code != code_) || lines_.size() >= limits_.lines) {
    return line_kind::broken;
  }
  code_ = code;
  lines_.emplace_back(line.substr(std::min<std::size_t>(line.size(), 4)));
  return line.size() == 3 || line[3] == ' ' ? line_kind::last : line_kind::more_follow;
}

}  // namespace relais::smtp
