// Framing of content, both ways (RFC 5321 2.3.8, 4.1.1.4, 4.5.2). The common case, whole lines that
// end in CRLF, is found by memchr and copied in runs of many lines; only deviations go octet by
// octet.
#include "smtp/content.hpp"

#include <algorithm>
#include <cstring>

namespace relais::smtp {

namespace {

const char* find(const char* begin, const char* end, char octet) noexcept {
  const void* found = std::memchr(begin, octet, static_cast<std::size_t>(end - begin));
  return found == nullptr ? end : static_cast<const char*>(found);
}

}  // namespace

/// Remembers the next CR and LF, so that no octet is searched twice: a flood of stray CRs would
/// cost the square of its length otherwise.
class content_decoder::scanner {
 public:
  scanner(const char* begin, const char* end) noexcept
      : end_(end), lf_(find(begin, end, '\n')), cr_(find(begin, end, '\r')) {}

  const char* end() const noexcept { return end_; }
  const char* lf(const char* from) noexcept {
    if (lf_ < from) lf_ = find(from, end_, '\n');
    return lf_;
  }
  const char* cr(const char* from) noexcept {
    if (cr_ < from) cr_ = find(from, end_, '\r');
    return cr_;
  }

 private:
  const char* end_;
  const char* lf_;
  const char* cr_;
};

void content_decoder::count(std::size_t octets) noexcept {
  line_ += octets;
  if (line_ > line_limit_) long_line_ = true;
}

void content_decoder::end_line(at next) noexcept {
  count(2);
  line_ = 0;
  at_ = next;
  if (next == at::line_start_lf) bare_lf_ = true;
}

/// Takes octets from a line start or from within a line, up to the next dot at a line start, the
/// next CR that is not followed by LF in this input, or its end. Returns where it stopped.
const char* content_decoder::take_text(const char* from, scanner& next, std::string& output) {
  const char* const end = next.end();
  const char* run = from;  // what is not copied yet
  const auto copy_until = [&](const char* to) { output.append(run, to); };
  while (from < end) {
    if (dots_ && at_ != at::text && *from == '.') {
      copy_until(from);
      at_ = at_ == at::line_start_crlf ? at::dot_crlf : at::dot_lf;
      return from + 1;
    }
    at_ = at::text;
    const char* const lf = next.lf(from);
    const char* const cr = next.cr(from);
    if (cr + 1 == lf && lf != end) {
      count(static_cast<std::size_t>(cr - from));
      end_line(at::line_start_crlf);
      from = lf + 1;
    } else if (cr < lf) {
      count(static_cast<std::size_t>(cr - from));
      copy_until(cr);
      at_ = at::cr;
      return cr + 1;
    } else if (lf < end) {
      count(static_cast<std::size_t>(lf - from));
      copy_until(lf);
      output += "\r\n";
      end_line(at::line_start_lf);
      from = run = lf + 1;
    } else {
      count(static_cast<std::size_t>(end - from));
      break;
    }
  }
  copy_until(end);
  return end;
}

/// Decides what a held-back CR was, now that its successor is known. True if `octet` is used up.
bool content_decoder::settle_cr(char octet, std::string& output) {
  if (octet == '\n') {
    output += "\r\n";
    end_line(at::line_start_crlf);
    return true;
  }
  output += ' ';
  count(1);
  bare_cr_ = true;
  at_ = octet == '\r' ? at::cr : at::text;
  return octet == '\r';
}

/// Decides about a dot that began a line, now that its successor is known. True if `octet` is used
/// up.
bool content_decoder::settle_dot(char octet, std::string& output) {
  if (octet == '\r') {
    at_ = at_ == at::dot_crlf ? at::dot_crlf_cr : at::dot_lf_cr;
    return true;
  }
  if (octet ==
      '\n') {  // a line of one dot that no CRLF ends: data for us, and for whoever comes next
    output += ".\r\n";
    count(1);
    end_line(at::line_start_lf);
    return true;
  }
  at_ = at::text;  // RFC 5321 4.5.2: the first dot of a longer line is dropped
  return false;
}

content_decoder::progress content_decoder::decode(std::string_view input, std::string& output) {
  if (input.empty()) return {};
  const char* const begin = input.data();
  scanner next(begin, begin + input.size());
  const char* from = begin;
  bool ended = false;
  while (from < next.end() && !ended) {
    switch (at_) {
      case at::line_start_crlf:
      case at::line_start_lf:
      case at::text: from = take_text(from, next, output); break;
      case at::cr:
        if (settle_cr(*from, output)) ++from;
        break;
      case at::dot_crlf:
      case at::dot_lf:
        if (settle_dot(*from, output)) ++from;
        break;
      case at::dot_crlf_cr:
        if (*from == '\n') {
          ++from;
          ended = true;
        }
        at_ = ended ? at::line_start_crlf : at::cr;
        break;
      case at::dot_lf_cr:
        if (*from == '\n') {
          output += '.';
          count(1);
        }
        at_ = at::cr;
        break;
    }
  }
  if (find(begin, from, '\0') != from) nul_ = true;
  return {static_cast<std::size_t>(from - begin), ended};
}

void content_decoder::finish(std::string& output) {
  if (at_ == at::cr) {
    output += ' ';
    count(1);
    bare_cr_ = true;
    at_ = at::text;
  }
  if (at_ != at::text) return;
  output += "\r\n";
  end_line(at::line_start_crlf);
}

void dot_stuffer::append(std::string_view content, std::string& output) {
  if (content.empty()) return;
  if (line_start_ && content.front() == '.') output += '.';
  std::size_t copied = 0;
  for (;;) {
    // The dot may lie in the next piece: line_start_ remembers.
    const auto at = content.find("\n.", copied);
    if (at == std::string_view::npos) break;
    output.append(content, copied, at + 1 - copied).append(1, '.');
    copied = at + 1;
  }
  output.append(content, copied);
  line_start_ = content.back() == '\n';
  last_[0] = content.size() > 1 ? content[content.size() - 2] : last_[1];
  last_[1] = content.back();
}

void dot_stuffer::end(std::string& output) {
  if (last_[0] != '\r' || last_[1] != '\n') output += "\r\n";
  output += ".\r\n";
  *this = {};
}

}  // namespace relais::smtp
