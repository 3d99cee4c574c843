// The way people write the parts of a route: its hosts (a smarthost's syntax, "mx" and UNIX
// sockets, each with a preference and a weight) and the text of an error. Pure text; no look-ups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace relais::config {

struct next_hop_target {
  std::string host;  ///< as in smarthost_target; "" = the recipient's domain; of sockets: the path
  std::uint16_t port = 25;
  bool lookup_mx = true;
  bool is_local = false;
  std::uint16_t preference = 0;
  std::uint16_t weight = 1;

  friend bool operator==(const next_hop_target&, const next_hop_target&) = default;
};

/// "mx" and "mx:587" (the recipient's domain), what parse_smarthost() reads, "unix:/run/lmtp";
/// behind it ", preference 10" and ", weight 3", in any order, each at most once. Numbers up to
/// 65535, as in RFC 5321 5.1 and RFC 2782.
std::optional<next_hop_target> parse_next_hop(std::string_view text, std::uint16_t default_port);

/// Whether a port is written: LMTP has no usual one.
bool has_written_port(std::string_view text);

struct error_text {
  std::string status;  ///< RFC 3463, class 5
  std::string text;    ///< never empty
  friend bool operator==(const error_text&, const error_text&) = default;
};

/// "5.7.1 not from here", or a sentence: that has the status 5.1.1; "" = a plain sentence. None: it
/// begins with what looks like a status and is none of class 5, or is only that.
std::optional<error_text> parse_error_text(std::string_view text);

}  // namespace relais::config
