#include "bench/relay/arrivals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "bench/relay/event_loop.hpp"

namespace relais::bench {
namespace {

constexpr std::uint64_t fnv_start = 0xcbf29ce484222325U;

std::uint64_t hash(std::string_view text, std::uint64_t start) {
  for (const char c : text) start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return start;
}

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

/// The value of a header field, from its first octet that is no blank to the end of the line.
std::string_view field(std::string_view header, std::string_view name) {
  for (std::size_t begin = 0; begin < header.size();) {
    const auto end = std::min(header.find("\r\n", begin), header.size());
    auto line = header.substr(begin, end - begin);
    if (line.empty()) return {};
    if (line.size() > name.size() && line[name.size()] == ':' &&
        same_letters(line.substr(0, name.size()), name)) {
      line.remove_prefix(name.size() + 1);
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      return line;
    }
    begin = end + 2;
  }
  return {};
}

}  // namespace

void arrivals::add(std::string_view header, std::uint64_t octets,
                   const std::vector<std::string>& recipients) {
  ++messages_;
  octets_ += octets;
  const auto id = field(header, "Message-ID");
  if (id.empty()) {
    ++nameless_;
    return;
  }
  const auto now = now_ns();
  bool is_new = false;
  for (const auto& recipient : recipients) {
    if (seen_.insert(hash(recipient, hash(id, fnv_start))).second) {
      ++deliveries_;
      is_new = true;
    } else {
      ++duplicates_;
    }
  }
  if (!is_new) return;
  if (first_ == 0) first_ = now;
  last_ = now;
  const auto sent_text = field(header, "X-Sent");
  std::int64_t sent = 0;
  std::from_chars(sent_text.data(), sent_text.data() + sent_text.size(), sent);
  if (sent > 0) transit_.add(now - sent);
}

void arrivals::connection_opened() {
  ++connections_;
  most_open_ = std::max(most_open_, ++open_);
}

void arrivals::handshake(bool was_resumed) {
  ++handshakes_;
  resumed_ += was_resumed ? 1 : 0;
}

void arrivals::reset() {
  const auto open = open_;
  *this = arrivals{};
  open_ = most_open_ = open;
}

std::string arrivals::to_json() {
  return fmt::format(
      R"({{"messages": {}, "deliveries": {}, "duplicates": {}, "nameless": {}, "octets": {}, )"
      R"("connections": {}, "open": {}, "most_open": {}, "handshakes": {}, "resumed": {}, )"
      R"("first_ns": {}, "last_ns": {}, "cpu_seconds": {:.3f}, "transit_ms": {}}})",
      messages_, deliveries_, duplicates_, nameless_, octets_, connections_, open_, most_open_,
      handshakes_, resumed_, first_, last_, processor_seconds(), transit_.to_json());
}

}  // namespace relais::bench
