#include "spool/record.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.hpp"
#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

constexpr std::string_view record_mark = "@SP1 ";
constexpr std::size_t name_size = 5;  // with its blank
constexpr std::array<std::string_view, 5> names{"MSG  ", "MOVD ", "STAT ", "DONE ", "CMIT "};
// Where the header's own checksum stands; it covers everything before it.
constexpr std::size_t own_checksum_at = record_header_size - 15;

void put_hex(char*& to, std::string_view label, std::uint64_t value, int digits) noexcept {
  static constexpr char hex[] = "0123456789abcdef";
  std::memcpy(to, label.data(), label.size());
  to += label.size();
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) *to++ = hex[(value >> shift) & 15];
}

constexpr std::array<std::int8_t, 256> make_hex_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i)
    values[static_cast<std::size_t>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i)
    values[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
  return values;
}
constexpr auto hex_values = make_hex_values();

/// Takes "label" and `digits` hex digits off the front.
bool take_hex(std::string_view& from, std::string_view label, std::size_t digits,
              std::uint64_t& value) noexcept {
  if (from.size() < label.size() + digits || !from.starts_with(label)) return false;
  value = 0;
  for (const char c : from.substr(label.size(), digits)) {
    const auto v = hex_values[static_cast<unsigned char>(c)];
    if (v < 0) return false;
    value = value << 4 | static_cast<std::uint64_t>(v);
  }
  from.remove_prefix(label.size() + digits);
  return true;
}

/// Takes one line, without its end. A text that does not end with a line end is not ours.
bool take_line(std::string_view& from, std::string_view& line) noexcept {
  const auto end = from.find('\n');
  if (end == std::string_view::npos) return false;
  line = from.substr(0, end);
  from.remove_prefix(end + 1);
  return true;
}

template <class Number>
bool take_number(std::string_view& from, Number& value) noexcept {
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), value);
  if (error != std::errc()) return false;
  from.remove_prefix(static_cast<std::size_t>(end - from.data()));
  return true;
}

bool take_blank(std::string_view& from) noexcept {
  if (!from.starts_with(' ')) return false;
  from.remove_prefix(1);
  return true;
}

std::int64_t to_number(wall_time t) noexcept {
  return t.time_since_epoch().count();
}
wall_time to_time(std::int64_t number) noexcept {
  return wall_time(std::chrono::microseconds(number));
}

template <class Number>
void append_number(std::string& text, Number value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  text.append(digits, end);
}

void append_hex(std::string& text, std::uint64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 16);
  text.append(digits, end);
}

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

bool is_writable(const smtp::path& path) noexcept {
  return !path.is_null() && std::ranges::none_of(path.local_part(), is_control) &&
         std::ranges::none_of(path.domain(), is_control);
}

void append_path(std::string& text, const smtp::path& path) {
  text += path.local_part();
  if (path.domain().empty()) return;
  text += '@';
  text += path.domain();
}

constexpr std::string_view status_letters = "pdbr";

}  // namespace

// --- the header

void encode_header(const record_header& h, char* to) noexcept {
  const char* begin = to;
  std::memcpy(to, record_mark.data(), record_mark.size());
  to += record_mark.size();
  std::memcpy(to, names[static_cast<std::size_t>(h.type)].data(), name_size);
  to += name_size;
  put_hex(to, "id=", h.id, 16);
  put_hex(to, " seq=", h.sequence, 16);
  put_hex(to, " gen=", h.generation, 16);
  put_hex(to, " env=", h.text_size, 8);
  put_hex(to, " body=", h.body_size, 10);
  put_hex(to, " crc=", h.checksum, 8);
  put_hex(to, " hcrc=", crc32c({begin, own_checksum_at}), 8);
  *to = '\n';
}

std::optional<record_header> decode_header(std::string_view octets) noexcept {
  if (octets.size() < record_header_size || !octets.starts_with(record_mark)) return {};
  const auto covered = octets.substr(0, own_checksum_at);
  auto rest = octets.substr(record_mark.size(), record_header_size - record_mark.size());
  const auto name = std::ranges::find(names, rest.substr(0, name_size));
  if (name == names.end()) return {};
  rest.remove_prefix(name_size);
  record_header h;
  h.type = static_cast<record_type>(name - names.begin());
  std::uint64_t text_size = 0, checksum = 0, own = 0;
  if (!take_hex(rest, "id=", 16, h.id) || !take_hex(rest, " seq=", 16, h.sequence) ||
      !take_hex(rest, " gen=", 16, h.generation) || !take_hex(rest, " env=", 8, text_size) ||
      !take_hex(rest, " body=", 10, h.body_size) || !take_hex(rest, " crc=", 8, checksum) ||
      !take_hex(rest, " hcrc=", 8, own) || rest != "\n" || own != crc32c(covered)) {
    return {};
  }
  h.text_size = static_cast<std::uint32_t>(text_size);
  h.checksum = static_cast<std::uint32_t>(checksum);
  return h;
}

// --- envelopes

std::string encode_envelope(const message& m) {
  const auto& e = m.envelope;
  if (e.forward_paths.empty() || !std::ranges::all_of(e.forward_paths, is_writable)) return {};
  if (!e.reverse_path.is_null() && !is_writable(e.reverse_path)) return {};
  std::string text;
  text.reserve(96 + 48 * e.forward_paths.size());
  text += "at ";
  append_number(text, to_number(m.arrival));
  text += "\nfrom ";
  append_path(text, e.reverse_path);
  text += '\n';
  if (e.body == smtp::body_type::eight_bit_mime) text += "body 8bitmime\n";
  if (e.smtputf8) text += "smtputf8\n";
  if (m.large) {
    text += "large ";
    append_number(text, m.large->size);
    text += ' ';
    append_hex(text, m.large->checksum);
    text += '\n';
  }
  for (const auto& path : e.forward_paths) {
    text += "to ";
    append_path(text, path);
    text += '\n';
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

/// One line of an envelope into `to`. False: not a line of an envelope.
bool take_envelope_line(std::string_view line, decoded_envelope& to) {
  if (line == "smtputf8") return to.envelope.smtputf8 = true;
  if (line == "body 8bitmime") {
    to.envelope.body = smtp::body_type::eight_bit_mime;
    return true;
  }
  if (line.starts_with("large ")) {
    to.large = decode_large(line.substr(6));
    return to.large.has_value();
  }
  if (!line.starts_with("to ")) return false;
  auto path = to_path(line.substr(3));
  if (!path || path->is_null()) return false;
  to.envelope.forward_paths.push_back(std::move(*path));
  return true;
}

bool take_first_lines(std::string_view& text, std::int64_t& at, std::string_view& reverse_path) {
  std::string_view line;
  if (!take_line(text, line) || !line.starts_with("at ")) return false;
  line.remove_prefix(3);
  if (!take_number(line, at) || !line.empty()) return false;
  if (!take_line(text, line) || !line.starts_with("from ")) return false;
  reverse_path = line.substr(5);
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
  if (!line.empty()) {
    auto path = to_path(line);
    if (!path) return {};
    decoded.envelope.reverse_path = std::move(*path);
  }
  for (;;) {
    if (!take_line(text, line)) return {};
    if (line.empty()) break;
    if (!take_envelope_line(line, decoded)) return {};
  }
  if (decoded.envelope.forward_paths.empty()) return {};
  decoded.length = whole - text.size();
  return decoded;
}

std::optional<envelope_outline> outline_envelope(std::string_view text) {
  const auto whole = text.size();
  envelope_outline outline;
  std::int64_t at = 0;
  std::string_view line;
  if (!take_first_lines(text, at, line)) return {};
  for (;;) {
    if (!take_line(text, line)) return {};
    if (line.empty()) break;
    if (line.starts_with("to ")) {
      ++outline.recipients;
    } else if (line.starts_with("large ")) {
      outline.large = decode_large(line.substr(6));
      if (!outline.large) return {};
    } else if (line != "smtputf8" && line != "body 8bitmime") {
      return {};
    }
  }
  if (outline.recipients == 0) return {};
  outline.length = whole - text.size();
  return outline;
}

// --- states

void append_states(std::string& text, const state_set& states) {
  if (states.is_full) {
    text += "full ";
    append_hex(text, states.as_of);
    text += '\n';
  } else {
    text += "delta\n";
  }
  if (states.hold) text += *states.hold ? "hold\n" : "release\n";
  for (const auto& [recipient, state] : states.entries) {
    append_number(text, recipient);
    text += ' ';
    text += status_letters[static_cast<std::size_t>(state.status)];
    text += ' ';
    append_number(text, state.attempts);
    text += ' ';
    append_number(text, to_number(state.next_attempt));
    text += ' ';
    const auto from = text.size();
    text += state.diagnostic;
    // Callers hand in printable text; a line end in it would be the end of the record.
    std::replace_if(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), is_control, ' ');
    text += '\n';
  }
}

namespace {

bool take_state(std::string_view line, std::uint32_t recipients, state_set& to) {
  state_change::entry e;
  if (!take_number(line, e.recipient) || e.recipient >= recipients) return false;
  if (!take_blank(line) || line.empty()) return false;
  const auto letter = status_letters.find(line.front());
  if (letter == std::string_view::npos) return false;
  e.state.status = static_cast<recipient_status>(letter);
  line.remove_prefix(1);
  std::int64_t next = 0;
  if (!take_blank(line) || !take_number(line, e.state.attempts) || !take_blank(line) ||
      !take_number(line, next) || !take_blank(line)) {
    return false;
  }
  e.state.next_attempt = to_time(next);
  e.state.diagnostic = line;
  to.entries.push_back(std::move(e));
  return true;
}

}  // namespace

std::optional<state_set> decode_states(std::string_view text, std::uint32_t recipients) {
  state_set states;
  std::string_view line;
  if (!take_line(text, line)) return {};
  if (line.starts_with("full ")) {
    line.remove_prefix(5);
    const auto [end, error] =
        std::from_chars(line.data(), line.data() + line.size(), states.as_of, 16);
    if (error != std::errc() || end != line.data() + line.size()) return {};
    states.is_full = true;
  } else if (line != "delta") {
    return {};
  }
  while (!text.empty()) {
    if (!take_line(text, line)) return {};
    if (line == "hold" || line == "release") {
      states.hold = line == "hold";
    } else if (!take_state(line, recipients, states)) {
      return {};
    }
  }
  return states;
}

// --- DONE and CMIT

void append_done(std::string& text, queue_id id, std::span<const std::uint32_t> segments) {
  char digits[16];
  char* to = digits;
  put_hex(to, "", id.value, 16);
  text.append(digits, sizeof digits);
  for (const auto number : segments) {
    text += ' ';
    append_hex(text, number);
  }
  text += '\n';
}

std::optional<std::vector<done_entry>> decode_done(std::string_view text) {
  std::vector<done_entry> entries;
  std::string_view line;
  while (!text.empty()) {
    if (!take_line(text, line)) return {};
    done_entry e;
    if (!take_hex(line, "", 16, e.id.value)) return {};
    while (!line.empty()) {
      std::uint32_t number = 0;
      if (!take_blank(line)) return {};
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number, 16);
      if (error != std::errc()) return {};
      line.remove_prefix(static_cast<std::size_t>(end - line.data()));
      e.segments.push_back(number);
    }
    entries.push_back(std::move(e));
  }
  return entries;
}

std::string encode_commit(const commit_text& c) {
  std::string text = "records ";
  append_number(text, c.records);
  text += " from ";
  append_number(text, c.from);
  text += " highest ";
  text += c.highest_id.text();
  text += '\n';
  return text;
}

std::optional<commit_text> decode_commit(std::string_view text) {
  commit_text c;
  const auto take_field = [&](std::string_view label, std::uint64_t& value) {
    if (!text.starts_with(label)) return false;
    text.remove_prefix(label.size());
    return take_number(text, value);
  };
  constexpr std::string_view last = " highest ";
  if (!take_field("records ", c.records) || !take_field(" from ", c.from)) return {};
  if (!text.starts_with(last)) return {};
  text.remove_prefix(last.size());
  if (text.size() != 17 || !text.ends_with('\n')) return {};
  const auto id = queue_id::parse(text.substr(0, 16));
  if (!id) return {};
  c.highest_id = *id;
  return c;
}

}  // namespace relais::spool
