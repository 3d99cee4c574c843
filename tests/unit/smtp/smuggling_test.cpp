// One message in, one message out, for every receiver: whatever octets a client sends as content,
// what the server takes leaves through dot_stuffer so that a strict receiver (only CRLF.CRLF ends)
// and a sloppy one (CR, LF and CRLF all end lines, any lone dot ends) see the same single message.
// Both receivers are written here from RFC 5321 4.5.2, without our decoder. Threats: SMTP
// smuggling.
#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "smtp/content.hpp"
#include "unit/smtp/scripted_session.hpp"

using namespace relais;
using namespace relais::smtp;

namespace {

constexpr std::string_view envelope =
    "EHLO client.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";

struct received {
  std::size_t length = 0;  ///< octets of the stream up to the end of the message
  std::string content;
};

/// Lines by CRLF alone.
std::optional<received> receive_strictly(std::string_view wire) {
  received got;
  for (auto rest = wire;;) {
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos) return {};
    auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line == ".") {
      got.length = wire.size() - rest.size();
      return got;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    got.content.append(line).append("\r\n");
  }
}

/// Lines by CRLF, CR or LF.
std::optional<received> receive_sloppily(std::string_view wire) {
  received got;
  for (auto rest = wire;;) {
    const auto end = rest.find_first_of("\r\n");
    if (end == std::string_view::npos) return {};
    auto line = rest.substr(0, end);
    rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
    if (line == ".") {
      got.length = wire.size() - rest.size();
      return got;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    got.content.append(line).append("\r\n");
  }
}

/// How many messages the octets behind DATA are, by the only rule there is.
bool ends_early(std::string_view octets) {
  return octets.starts_with(".\r\n") || octets.find("\r\n.\r\n") != std::string_view::npos;
}

std::string stuffed(std::string_view content, std::size_t piece) {
  dot_stuffer stuffer;
  std::string wire;
  for (std::size_t at = 0; at < content.size(); at += piece)
    stuffer.append(content.substr(at, piece), wire);
  stuffer.end(wire);
  return wire;
}

/// The content of every message that the server took; the stream goes in by pieces of that size.
std::vector<std::string> taken(newline_mode mode, std::string_view octets, std::size_t piece) {
  session_rules rules;
  rules.options.newlines = mode;
  scripted_session session(rules);
  session.feed(envelope);
  const std::string stream = std::string(octets) + "\r\n.\r\n";
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    if (!session.feed(std::string_view(stream).substr(at, piece))) break;
  }
  std::vector<std::string> messages;
  const auto mail = session.mail();  // a '|' is behind each; no test content holds one
  for (std::string_view rest = mail; !rest.empty();) {
    const auto end = rest.find('|');
    messages.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return messages;
}

std::string shown(std::string_view octets) {
  std::string text;
  for (const char c : octets)
    text += c == '\r' ? "<CR>" : c == '\n' ? "<LF>" : c == '\0' ? "<NUL>" : std::string(1, c);
  return text;
}

/// "" or what is wrong; without assertions, as it runs a million times.
std::string fault_of(newline_mode mode, std::string_view octets, std::size_t piece) {
  const auto messages = taken(mode, octets, piece);
  if (messages != taken(mode, octets, 1)) return "depends on the pieces";
  if (messages.size() > 1) return "two messages";
  if (!ends_early(octets) && mode == newline_mode::normalize && messages.empty() &&
      octets.find('\0') == std::string_view::npos)
    return "refused";
  for (const auto& content : messages) {
    const auto wire = stuffed(content, piece);
    if (wire != stuffed(content, content.size() + 1)) return "stuffing depends on the pieces";
    const auto strict = receive_strictly(wire);
    const auto sloppy = receive_sloppily(wire);
    if (!strict || strict->length != wire.size()) return "the strict receiver is out of step";
    if (!sloppy || sloppy->length != wire.size()) return "the sloppy receiver is out of step";
    if (strict->content != content) return "the strict receiver has another content";
    if (sloppy->content != content) return "the sloppy receiver has another content";
    if (content.find('\0') != std::string::npos) return "NUL";
  }
  return {};
}

void check(newline_mode mode, std::string_view octets, std::size_t piece) {
  const auto fault = fault_of(mode, octets, piece);
  if (fault.empty()) return;
  INFO((mode == newline_mode::reject ? "reject: " : "normalize: ") << shown(octets));
  FAIL_CHECK(fault << ", pieces of " << piece);
}

}  // namespace

TEST_CASE("every short content is one message for strict and sloppy receivers") {
  constexpr std::string_view alphabet = "\r\n.x";
  for (std::size_t length = 0; length <= 6; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t number = 0; number < count; ++number) {
      std::string octets;
      for (auto rest = number; octets.size() < length; rest /= alphabet.size())
        octets += alphabet[rest % alphabet.size()];
      for (const auto mode : {newline_mode::reject, newline_mode::normalize})
        check(mode, octets, 3);
    }
  }
}

TEST_CASE("random content is one message for strict and sloppy receivers") {
  constexpr std::string_view alphabet("\r\n.\r\n.\r\n\0 QUIT\x80\xff", 16);
  seeded_random rng(20261121);
  for (unsigned run = 0; run < 5000; ++run) {
    std::string octets;
    for (auto left = rng.below(60); left > 0; --left)
      octets += alphabet[static_cast<std::size_t>(rng.below(alphabet.size()))];
    const auto piece = static_cast<std::size_t>(1 + rng.below(7));
    for (const auto mode : {newline_mode::reject, newline_mode::normalize})
      check(mode, octets, piece);
  }
}

TEST_CASE("in reject mode content with a bare CR or LF is never taken") {
  for (const std::string_view octets :
       {"a\nb", "a\rb", "a\n.\nb", "a\r.\rb", "a\r\n.\nb", "a\n.\r\nb", "a\r\n.\rb", "a\r.\r\nb",
        "a\r", "\n", "\r", ".\n", ".\r", "a\r\r\nb", "a\n\r\nb"}) {
    INFO(shown(octets));
    CHECK(taken(newline_mode::reject, octets, 2).empty());
  }
}
