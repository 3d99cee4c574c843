#include "spool/segment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "spool/crc32c.hpp"
#include "spool/record.hpp"

namespace relais::spool {
namespace layout {
namespace {

std::string in(std::string_view folder, std::string_view name) {
  return fmt::format("{}/{}", folder, name);
}

template <class Number>
std::optional<Number> parse_hex(std::string_view text, std::size_t digits) {
  Number value = 0;
  if (text.size() != digits) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, 16);
  if (error != std::errc() || end != text.data() + digits) return {};
  // Only the one spelling that we write ourselves: two files must not be one slot.
  if (std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'F'; })) return {};
  return value;
}

}  // namespace

std::string segment_file(std::uint32_t slot) {
  return in(segments, fmt::format("{:08x}", slot));
}
std::optional<std::uint32_t> slot_of(std::string_view file_name) {
  return parse_hex<std::uint32_t>(file_name, 8);
}
std::string large_folder(queue_id id) {
  // The low bits count within a millisecond and are mostly 0; the ones above spread.
  return in(large, fmt::format("{:02x}", (id.value * 0x9e3779b97f4a7c15) >> 56));
}
std::string large_file(queue_id id) {
  return in(large_folder(id), id.text());
}
std::string checkpoint_file(std::uint64_t serial) {
  return fmt::format("{}{:016x}", checkpoint_prefix, serial);
}
std::optional<std::uint64_t> serial_of(std::string_view file_name) {
  if (!file_name.starts_with(checkpoint_prefix)) return {};
  return parse_hex<std::uint64_t>(file_name.substr(checkpoint_prefix.size()), 16);
}

}  // namespace layout

namespace {

// The number behind the name is the version of the format. It changes when an older program could
// not read what a newer one wrote; such a spool is refused and left alone.
constexpr std::string_view family = "@SPOOL relais-log ";
constexpr std::string_view version = "1";
constexpr std::array<std::string_view, 3> kinds{"free", "hot", "cold"};
constexpr std::size_t header_size = 512;

std::optional<std::string_view> value_of(std::string_view line, std::string_view key) {
  for (const auto word : split(line, ' ')) {
    if (word.starts_with(key) && word.size() > key.size() && word[key.size()] == '=') {
      return word.substr(key.size() + 1);
    }
  }
  return {};
}

template <class Number>
bool read_hex(std::string_view line, std::string_view key, Number& to) {
  const auto text = value_of(line, key);
  if (!text) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), to, 16);
  return error == std::errc() && end == text->data() + text->size();
}

}  // namespace

std::string encode_segment_header(const segment_header& h) {
  auto line = fmt::format("{}{} kind={} number={:08x} gen={:016x} seq={:016x} highest={}", family,
                          version, kinds[static_cast<std::size_t>(h.kind)], h.number, h.generation,
                          h.sequence, h.highest_id.text());
  if (h.previous != 0) {
    line += fmt::format(" prev={:08x} prevend={:x}", h.previous, h.previous_end);
  }
  line += fmt::format(" crc={:08x}\n", crc32c(line));
  line.resize(block_size, '\0');
  return line;
}

header_verdict decode_segment_header(std::string_view block, segment_header& h) {
  block = block.substr(0, header_size);
  if (std::ranges::all_of(block, [](char c) { return c == '\0'; })) return header_verdict::blank;
  const auto end = block.find('\n');
  if (end == std::string_view::npos) return header_verdict::damaged;
  const auto line = block.substr(0, end);
  const auto sum_at = line.rfind(" crc=");
  std::uint32_t sum = 0;
  if (sum_at == std::string_view::npos || !read_hex(line.substr(sum_at), "crc", sum) ||
      sum != crc32c(line.substr(0, sum_at)) || !line.starts_with(family)) {
    return header_verdict::damaged;
  }
  // A flipped bit in the version would not have passed the checksum: this is another version.
  if (!line.substr(family.size()).starts_with(std::string(version) + ' '))
    return header_verdict::other_version;
  const auto kind = std::ranges::find(kinds, value_of(line, "kind").value_or(""));
  std::uint64_t highest = 0;
  if (kind == kinds.end() || !read_hex(line, "number", h.number) ||
      !read_hex(line, "gen", h.generation) || !read_hex(line, "seq", h.sequence) ||
      !read_hex(line, "highest", highest)) {
    return header_verdict::other_version;
  }
  if (!read_hex(line, "prev", h.previous) || !read_hex(line, "prevend", h.previous_end)) {
    h.previous = 0;
  }
  h.kind = static_cast<segment_kind>(kind - kinds.begin());
  h.highest_id = queue_id{highest};
  return header_verdict::good;
}

}  // namespace relais::spool
