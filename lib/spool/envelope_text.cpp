// The envelope as lines of text, in MSG and MOVD (docs/spool-format.md). Only what differs from the
// default is written, so that most envelopes are four lines long. A line that is not known is
// damage: to drop it in silence would change what a client asked for.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "spool/record.hpp"
#include "spool/record_text.hpp"

namespace relais::spool {
namespace {

constexpr std::string_view body_8bit_line = "body 8bitmime";
constexpr std::string_view body_binary_line = "body binarymime";
constexpr std::string_view smtputf8_line = "smtputf8";
constexpr std::string_view ret_full_line = "ret full";
constexpr std::string_view ret_headers_line = "ret hdrs";
constexpr std::string_view require_tls_line = "requiretls";
constexpr std::string_view large_word = "large ";
constexpr std::string_view to_word = "to ";
constexpr std::string_view envid_word = "envid ";
constexpr std::string_view priority_word = "priority ";
constexpr std::string_view until_word = "until ";
constexpr std::string_view by_word = "by ";
constexpr std::string_view submitter_word = "submitter ";
constexpr std::string_view user_word = "user ";
constexpr std::string_view listener_word = "listener ";
constexpr std::string_view notify_word = "notify ";
constexpr std::string_view orcpt_word = "orcpt ";
constexpr std::string_view notify_letters = "nsfd";

/// The bare <postmaster> of RFC 5321 4.5.1 is a path, but no address.
std::optional<smtp::path> to_path(std::string_view text) {
  if (text.find('@') == std::string_view::npos) {
    const auto bracketed = '<' + std::string(text) + '>';
    auto parsed = smtp::parse_path(bracketed, smtp::path_kind::forward);
    if (!parsed || parsed->length != bracketed.size()) return {};
    return std::move(parsed->address);
  }
  auto parsed = smtp::parse_address(text);
  if (!parsed) return {};
  return std::move(*parsed);
}

bool is_line(std::string_view text) noexcept {
  return std::ranges::none_of(text, is_control);
}

bool is_writable(const smtp::path& path) noexcept {
  if (path.domain().empty() && !iequals(path.local_part(), "postmaster")) return false;
  return is_line(path.local_part()) && is_line(path.domain());
}

bool is_writable(const smtp::envelope& e) noexcept {
  const auto writable = [](const smtp::path& path) { return is_writable(path); };
  if (e.forward_paths.empty() || !std::ranges::all_of(e.forward_paths, writable)) return false;
  if (!e.reverse_path.is_null() && !is_writable(e.reverse_path)) return false;
  if (!e.recipient_options.empty() && e.recipient_options.size() != e.forward_paths.size())
    return false;
  const auto line = [](const smtp::recipient_options& o) { return is_line(o.original_recipient); };
  return is_line(e.envelope_id) && is_line(e.submitter) && is_line(e.user) && is_line(e.listener) &&
         std::ranges::all_of(e.recipient_options, line);
}

void append_path(std::string& text, const smtp::path& path) {
  text += path.local_part();
  if (path.domain().empty()) return;
  text += '@';
  text += path.domain();
}

void append_line(std::string& text, std::string_view word, std::string_view rest = {}) {
  text.append(word).append(rest).append(1, '\n');
}

template <class Number>
void append_number_line(std::string& text, std::string_view word, Number value) {
  text += word;
  append_number(text, value);
  text += '\n';
}

/// What the client asked for the whole message.
void append_requests(std::string& text, const smtp::envelope& e) {
  if (e.body == smtp::body_type::eight_bit_mime) append_line(text, body_8bit_line);
  if (e.body == smtp::body_type::binary_mime) append_line(text, body_binary_line);
  if (e.smtputf8) append_line(text, smtputf8_line);
  if (e.ret == smtp::dsn_return::full) append_line(text, ret_full_line);
  if (e.ret == smtp::dsn_return::headers) append_line(text, ret_headers_line);
  if (!e.envelope_id.empty()) append_line(text, envid_word, e.envelope_id);
  if (e.require_tls) append_line(text, require_tls_line);
  if (e.priority != 0) append_number_line(text, priority_word, int{e.priority});
  if (e.hold_until) append_number_line(text, until_word, to_number(*e.hold_until));
  if (e.by) {
    text += by_word;
    append_number(text, to_number(e.by->at));
    append_line(text, e.by->is_return ? " R" : " N", e.by->trace ? "T" : "");
  }
  if (!e.submitter.empty()) append_line(text, submitter_word, e.submitter);
  if (!e.user.empty()) append_line(text, user_word, e.user);
  if (!e.listener.empty()) append_line(text, listener_word, e.listener);
}

/// What the client asked for one recipient, behind its `to`.
void append_requests(std::string& text, const smtp::recipient_options& o) {
  if (o.notify.is_specified()) {
    const std::array flags{o.notify.never, o.notify.success, o.notify.failure, o.notify.delay};
    text += notify_word;
    for (std::size_t i = 0; i < flags.size(); ++i)
      if (flags[i]) text += notify_letters[i];
    text += '\n';
  }
  if (!o.original_recipient.empty()) append_line(text, orcpt_word, o.original_recipient);
}

}  // namespace

std::string encode_envelope(const message& m) {
  const auto& e = m.envelope;
  if (!is_writable(e)) return {};
  std::string text;
  text.reserve(96 + 48 * e.forward_paths.size());
  append_number_line(text, "at ", to_number(m.arrival));
  text += "from ";
  append_path(text, e.reverse_path);
  text += '\n';
  append_requests(text, e);
  if (m.large) {
    text += large_word;
    append_number(text, m.large->size);
    text += ' ';
    append_hex(text, m.large->checksum);
    text += '\n';
  }
  for (std::size_t i = 0; i < e.forward_paths.size(); ++i) {
    text += to_word;
    append_path(text, e.forward_paths[i]);
    text += '\n';
    append_requests(text, e.options_of(i));
  }
  text += '\n';
  return text;
}

namespace {

std::optional<large_content> decode_large(std::string_view words) {
  large_content large;
  if (!take_number(words, large.size) || !take_blank(words)) return {};
  const auto [end, error] =
      std::from_chars(words.data(), words.data() + words.size(), large.checksum, 16);
  if (error != std::errc() || end != words.data() + words.size()) return {};
  return large;
}

/// Takes the word off a line that begins with it.
bool take_word(std::string_view& line, std::string_view word) noexcept {
  if (!line.starts_with(word)) return false;
  line.remove_prefix(word.size());
  return true;
}

bool take_text(std::string_view rest, std::string& into) {
  if (rest.empty() || !into.empty() || !is_line(rest)) return false;
  into = rest;
  return true;
}

bool take_time(std::string_view& rest, wall_time& into) noexcept {
  std::int64_t number = 0;
  if (!take_number(rest, number)) return false;
  into = to_time(number);
  return true;
}

bool take_priority(std::string_view rest, smtp::envelope& to) noexcept {
  int value = 0;
  if (!take_number(rest, value) || !rest.empty() || value < -9 || value > 9 || value == 0)
    return false;
  if (to.priority != 0) return false;
  to.priority = static_cast<std::int8_t>(value);
  return true;
}

bool take_until(std::string_view rest, smtp::envelope& to) noexcept {
  wall_time at;
  if (!take_time(rest, at) || !rest.empty() || to.hold_until) return false;
  to.hold_until = at;
  return true;
}

bool take_by(std::string_view rest, smtp::envelope& to) noexcept {
  smtp::deliver_by by;
  if (!take_time(rest, by.at) || !take_blank(rest) || to.by) return false;
  by.is_return = rest.starts_with('R');
  by.trace = rest.ends_with('T');
  if (rest != "R" && rest != "N" && rest != "RT" && rest != "NT") return false;
  to.by = by;
  return true;
}

bool take_ret(smtp::dsn_return ret, smtp::envelope& to) noexcept {
  if (to.ret != smtp::dsn_return::unspecified) return false;
  to.ret = ret;
  return true;
}

/// Of the recipient that was named last.
smtp::recipient_options& options_of_last(smtp::envelope& to) {
  to.recipient_options.resize(to.forward_paths.size());
  return to.recipient_options.back();
}

bool take_notify(std::string_view letters, smtp::envelope& to) {
  if (to.forward_paths.empty() || letters.empty()) return false;
  auto& notify = options_of_last(to).notify;
  if (notify.is_specified()) return false;
  for (const char letter : letters) {
    bool* flag = letter == 'n'   ? &notify.never
                 : letter == 's' ? &notify.success
                 : letter == 'f' ? &notify.failure
                 : letter == 'd' ? &notify.delay
                                 : nullptr;
    if (flag == nullptr || *flag) return false;
    *flag = true;
  }
  return !notify.never || letters.size() == 1;
}

/// A line that stands for the whole message. False: not one.
bool take_request(std::string_view line, smtp::envelope& to) {
  if (line == smtputf8_line) return to.smtputf8 = true;
  if (line == body_8bit_line || line == body_binary_line) {
    to.body =
        line == body_8bit_line ? smtp::body_type::eight_bit_mime : smtp::body_type::binary_mime;
    return true;
  }
  if (line == require_tls_line) return to.require_tls = true;
  if (line == ret_full_line) return take_ret(smtp::dsn_return::full, to);
  if (line == ret_headers_line) return take_ret(smtp::dsn_return::headers, to);
  if (take_word(line, envid_word)) return take_text(line, to.envelope_id);
  if (take_word(line, priority_word)) return take_priority(line, to);
  if (take_word(line, until_word)) return take_until(line, to);
  if (take_word(line, by_word)) return take_by(line, to);
  if (take_word(line, submitter_word)) return take_text(line, to.submitter);
  if (take_word(line, user_word)) return take_text(line, to.user);
  if (take_word(line, listener_word)) return take_text(line, to.listener);
  return false;
}

/// One line of an envelope into `to`. False: not a line of an envelope.
bool take_envelope_line(std::string_view line, decoded_envelope& to) {
  auto& e = to.envelope;
  if (take_word(line, to_word)) {
    auto path = to_path(line);
    if (!path || path->is_null()) return false;
    e.forward_paths.push_back(std::move(*path));
    return true;
  }
  if (take_word(line, notify_word)) return take_notify(line, e);
  if (take_word(line, orcpt_word))
    return !e.forward_paths.empty() && take_text(line, options_of_last(e).original_recipient);
  if (take_word(line, large_word)) {
    to.large = decode_large(line);
    return to.large.has_value();
  }
  return take_request(line, e);
}

bool take_first_lines(std::string_view& text, std::int64_t& at, std::string_view& reverse_path) {
  std::string_view line;
  if (!take_line(text, line) || !take_word(line, "at ")) return false;
  if (!take_number(line, at) || !line.empty()) return false;
  if (!take_line(text, line) || !take_word(line, "from ")) return false;
  reverse_path = line;
  return true;
}

}  // namespace

std::optional<decoded_envelope> decode_envelope(std::string_view text) {
  const auto whole = text.size();
  decoded_envelope decoded;
  std::int64_t at = 0;
  std::string_view line;
  if (!take_first_lines(text, at, line)) return {};
  decoded.arrival = to_time(at);
  auto& e = decoded.envelope;
  if (!line.empty()) {
    auto path = to_path(line);
    if (!path) return {};
    e.reverse_path = std::move(*path);
  }
  for (;;) {
    if (!take_line(text, line)) return {};
    if (line.empty()) break;
    if (!take_envelope_line(line, decoded)) return {};
  }
  if (e.forward_paths.empty()) return {};
  if (!e.recipient_options.empty()) e.recipient_options.resize(e.forward_paths.size());
  decoded.length = whole - text.size();
  return decoded;
}

std::optional<envelope_outline> outline_envelope(std::string_view text) {
  constexpr std::array lines{body_8bit_line, body_binary_line, smtputf8_line,
                             ret_full_line,  ret_headers_line, require_tls_line};
  constexpr std::array words{notify_word, orcpt_word,     envid_word, priority_word, until_word,
                             by_word,     submitter_word, user_word,  listener_word};
  const auto whole = text.size();
  envelope_outline outline;
  std::int64_t at = 0;
  std::string_view line;
  if (!take_first_lines(text, at, line)) return {};
  for (;;) {
    if (!take_line(text, line)) return {};
    if (line.empty()) break;
    const auto begins = [&](std::string_view word) { return line.starts_with(word); };
    if (begins(to_word)) {
      ++outline.recipients;
    } else if (begins(large_word)) {
      outline.large = decode_large(line.substr(large_word.size()));
      if (!outline.large) return {};
    } else if (std::ranges::find(lines, line) == lines.end() &&
               std::ranges::none_of(words, begins)) {
      return {};
    }
  }
  if (outline.recipients == 0) return {};
  outline.length = whole - text.size();
  return outline;
}

}  // namespace relais::spool
