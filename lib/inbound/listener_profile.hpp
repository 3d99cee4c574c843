// What one listener is to its sessions: the settings of config::listener with every "automatic" and
// every default of other sections resolved once, at start. RFC 6409, 8314 for the roles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "smtp/server_protocol.hpp"

namespace relais::inbound {

struct listener_profile {
  std::string name;  ///< its address, for logs
  config::listener_role role = config::listener_role::relay;
  bool implicit_tls = false;
  smtp::tls_state tls = smtp::tls_state::unavailable;  ///< at the greeting
  config::tls_version tls_minimum = config::tls_version::v1_2;
  bool ask_for_certificate = false;
  bool require_auth = false;
  config::newline_choice newlines = config::newline_choice::automatic;
  smtp::extension_set extensions;
  std::uint64_t message_size = 0;
  std::uint64_t recipients = 0;
  std::uint64_t connections = 0;  ///< of this listener, on all workers; 0 = no own limit
  duration banner_delay{};
  std::vector<ip_network> trusted_networks;
  bool proxy_protocol = false;
  bool hide_client = false;
  // A route asks for it: it becomes part of the envelope.
  bool keeps_user = false, keeps_name = false;

  bool is_submission() const noexcept { return role == config::listener_role::submission; }
  bool trusts(const ip_address& client) const noexcept;
};

/// `has_certificates`: TLS towards clients is configured.
listener_profile make_profile(const config::settings& settings, const config::listener& of,
                              bool has_certificates);

}  // namespace relais::inbound
