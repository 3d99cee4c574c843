#include "spool/record.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.hpp"
#include "spool/crc32c.hpp"
#include "spool/record_text.hpp"

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

constexpr std::string_view status_letters = "pdbr";
constexpr std::string_view via_word = "via ";

/// Callers hand in printable text; a line end in it would be the end of the record.
void append_printable(std::string& text, std::string_view word, std::string_view rest) {
  text += word;
  const auto from = text.size();
  text += rest;
  std::replace_if(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), is_control, ' ');
  text += '\n';
}

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
  if (states.next_hop) append_printable(text, via_word, *states.next_hop);
  for (const auto& [recipient, state] : states.entries) {
    append_number(text, recipient);
    text += ' ';
    text += status_letters[static_cast<std::size_t>(state.status)];
    text += ' ';
    append_number(text, state.attempts);
    if (state.warnings > 0) {
      text += '/';
      append_number(text, unsigned{state.warnings});
    }
    text += ' ';
    // As precise as the index keeps it, so that both tell the same.
    append_number(text,
                  to_number(std::chrono::floor<std::chrono::milliseconds>(state.next_attempt)));
    append_printable(text, " ", state.diagnostic);
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
  if (!take_blank(line) || !take_number(line, e.state.attempts)) return false;
  if (line.starts_with('/')) {
    line.remove_prefix(1);
    if (!take_number(line, e.state.warnings)) return false;
  }
  if (!take_blank(line) || !take_number(line, next) || !take_blank(line)) return false;
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
    } else if (line.starts_with(via_word)) {
      states.next_hop = line.substr(via_word.size());
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
