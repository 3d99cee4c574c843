// Where a listener waits: an address and port, all addresses of both families, a UNIX socket, or a
// socket that systemd hands over. Only names of places; opening them is the network's work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.hpp"

namespace relais {

struct listen_address {
  enum class kind : std::uint8_t {
    inet,       ///< `at`
    any,        ///< every address, IPv6 and IPv4, at the port of `at`
    local,      ///< a UNIX socket at the absolute path `name`
    inherited,  ///< a socket that was passed by systemd under `name` (FileDescriptorName=)
  };
  kind is = kind::inet;
  endpoint at;
  std::string name;

  listen_address() = default;
  listen_address(const endpoint& where) : at(where) {}  // an endpoint is the usual case

  /// "127.0.0.1:25", "[::1]:25", "*:25" or ":25" (any), "/run/relais/smtp" (local),
  /// "systemd:smtp" (inherited).
  static std::optional<listen_address> parse(std::string_view text);
  std::string text() const;
  friend bool operator==(const listen_address&, const listen_address&) = default;
};

}  // namespace relais
