// Cutting of command lines. In newline_mode::reject an over-long line ends at a true CRLF only: its
// tail behind a bare LF must not be run as a command (threats: framing).
#include "smtp/command_buffer.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::smtp {

void command_buffer::append(std::string_view octets) {
  octets_.erase(0, begin_);
  begin_ = 0;
  octets_.append(octets);
}

void command_buffer::clear() noexcept {
  octets_.clear();
  begin_ = searched_ = 0;
  skipping_ = false;
}

void command_buffer::shrink() {
  constexpr std::size_t usual = 4 * 1024;
  if (octets_.capacity() <= usual) return;
  std::string(rest()).swap(octets_);
  begin_ = 0;
}

void command_buffer::skip() {
  const auto text = rest();
  for (std::size_t from = 0; from < text.size();) {
    const auto lf = text.find('\n', from);
    if (lf == std::string_view::npos) break;
    const char before = lf > 0 ? text[lf - 1] : last_skipped_;
    if (before == '\r' || newlines_ == newline_mode::normalize) {
      consume(lf + 1);
      skipping_ = false;
      return;
    }
    from = lf + 1;
  }
  if (!text.empty()) last_skipped_ = text.back();
  consume(text.size());
}

std::size_t command_buffer::limit_of(std::string_view line) const noexcept {
  return istarts_with(line, "AUTH ") ? std::max(line_limit_, auth_limit_) : line_limit_;
}

command_buffer::found command_buffer::next_line(std::string_view& line) {
  if (skipping_) skip();
  if (skipping_) return found::nothing;
  const auto text = rest();
  if (text.starts_with("\x16\x03")) return found::tls_hello;
  const auto lf = text.find('\n', searched_);
  const auto length = std::min(lf, text.size());
  if (length >= line_limit_ &&
      length >= limit_of(text)) {  // too long even if its LF is the next octet
    searched_ = 0;
    skipping_ = true;
    last_skipped_ = '\0';
    return found::too_long;
  }
  if (lf == std::string_view::npos) {
    searched_ = length;
    return found::nothing;
  }
  auto* const first = octets_.data() + begin_;
  consume(lf + 1);
  searched_ = 0;
  line = text.substr(0, lf);
  const bool bare_lf = !line.ends_with('\r');
  if (!bare_lf) line.remove_suffix(1);
  const bool bare_cr = line.find('\r') != std::string_view::npos;
  if (newlines_ == newline_mode::reject)
    return bare_lf || bare_cr ? found::bare_newline : found::line;
  if (bare_cr) std::replace(first, first + line.size(), '\r', ' ');
  return found::line;
}

}  // namespace relais::smtp
