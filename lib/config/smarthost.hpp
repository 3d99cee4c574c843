// The way people name a next hop: Postfix's relayhost syntax. Pure text; no look-ups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace relais::config {

struct smarthost_target {
  std::string host;  ///< lower case name, or an IP address without brackets
  std::uint16_t port = 25;
  bool lookup_mx = true;

  friend bool operator==(const smarthost_target&, const smarthost_target&) = default;
};

/// "relay.example" and "relay.example:587" are found through their MX records;
/// "[relay.example]:587", "[192.0.2.1]" and "[2001:db8::1]:25" are that very host. An IPv4 address
/// needs no brackets, as it cannot have MX records.
std::optional<smarthost_target> parse_smarthost(std::string_view text, std::uint16_t default_port);

}  // namespace relais::config
