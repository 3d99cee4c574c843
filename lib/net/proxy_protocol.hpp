// The PROXY protocol, versions 1 and 2 (HAProxy): who the client behind a load balancer is. Pure:
// octets in, header out. Which networks may send it is the server's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ip.hpp"

namespace relais::net {

struct proxy_header {
  enum class state : std::uint8_t { incomplete, complete, malformed } is = state::incomplete;
  std::size_t length = 0;  ///< octets that the header took; what follows is the client's
  /// The true ends; none: LOCAL or UNKNOWN (a health check of the balancer), use the connection's.
  std::optional<endpoint> client, server;
};

/// Of version 2, with 4 KiB of addresses and extensions; 107 in version 1. What is longer is
/// malformed.
inline constexpr std::size_t longest_proxy_header = 16 + 4096;

/// Reads a header off the front of `octets`, everything that has come so far. What cannot become
/// one is malformed at once; `incomplete` never outlasts longest_proxy_header octets.
proxy_header parse_proxy_header(std::string_view octets);

}  // namespace relais::net
