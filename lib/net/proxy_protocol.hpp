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

inline constexpr std::size_t longest_proxy_header = 16 + 65535;

/// Reads a header off the front of `octets`. Never looks further than the header is long: 107
/// octets of v1, 16 and the length said in v2 (at most 4 KiB are accepted).
proxy_header parse_proxy_header(std::string_view octets) noexcept;

}  // namespace relais::net
