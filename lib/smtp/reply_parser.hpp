// Reads replies off the wire, octet by octet if need be (RFC 5321 4.2): a code 200-599, the same on
// each line, then ' ' or '-' or the end of the line. A line may end in LF alone: a sloppy server is
// understood, as a reply's end has no security meaning. Everything else is errc::protocol_error,
// for good: behind a line that is no reply nobody knows which command the next one answers.
//
// Not here: what a reply means, and which command it belongs to (client_protocol).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "smtp/reply.hpp"

namespace relais::smtp {

/// A hostile next hop must not fill our memory.
struct reply_limits {
  std::size_t line = 2048;         ///< octets with line end; RFC 5321 4.5.3.1.5 allows 512 only
  std::size_t lines = 100;         ///< of one reply
  std::size_t octets = 64 * 1024;  ///< of one reply
};

class reply_parser {
 public:
  reply_parser() = default;
  explicit reply_parser(const reply_limits& limits) : limits_(limits) {}

  void receive(std::string_view octets);
  /// The next complete reply, nothing if more octets are needed.
  result<std::optional<reply>> next();
  /// Octets are there that no reply of next() has used.
  bool is_inside_reply() const noexcept { return read_ < buffer_.size() || code_ != 0; }
  /// Forgets what was received.
  void clear() noexcept;

 private:
  /// The line that the unread octets begin with, without its end.
  result<std::optional<std::string_view>> next_line();
  enum class line_kind : std::uint8_t { broken, more_follow, last };
  line_kind add_line(std::string_view line);

  reply_limits limits_;
  std::string buffer_;
  std::size_t read_ = 0;     // octets of buffer_ used
  std::size_t scanned_ = 0;  // octets of buffer_ known to hold no further line end
  unsigned code_ = 0;        // of the reply under way, 0 between replies
  std::size_t octets_ = 0;   // of the reply under way
  std::vector<std::string> lines_;
  bool broken_ = false;
};

}  // namespace relais::smtp
