// Listeners that could not work, or not as they say: RFC 8314 (465), RFC 3207, RFC 4954.
#include <algorithm>

#include "base/text.hpp"
#include "config/contradictions.hpp"

namespace relais::config {
namespace {

bool has_port(const listener& l, std::uint16_t port) {
  const bool inet =
      l.address.is == listen_address::kind::inet || l.address.is == listen_address::kind::any;
  return inet && l.address.at.port == port;
}

/// TLS that the listener was told to have, by word or by its role.
bool wants_tls(const listener& l) {
  if (l.tls == listener_tls::automatic) return l.role == listener_role::submission;
  return l.tls != listener_tls::none;
}

bool demands_auth(const listener& l) {
  if (l.require_auth == tristate::automatic) return l.role == listener_role::submission;
  return l.require_auth == tristate::yes;
}

bool can_log_in(const settings& s) {
  const auto& a = s.auth;
  if (a.mechanisms.empty()) return false;
  const bool by_backend = !a.users_file.empty() || !a.pam_service.empty() ||
                          !a.dovecot_socket.empty() || !a.tokens.introspection_url.empty() ||
                          !a.tokens.jwt_keys_file.empty();
  return by_backend || !a.certificates.empty() || !s.tls.client_ca_file.empty();
}

bool is_off(const listener& l, std::string_view keyword) {
  return std::ranges::count(l.extensions_off, keyword) > 0;
}

/// automatic is encrypt for submission, but at port 465.
bool needs_starttls(const listener& l) {
  if (l.tls == listener_tls::automatic) {
    return l.role == listener_role::submission && !has_port(l, 465);
  }
  return l.tls == listener_tls::may || l.tls == listener_tls::encrypt;
}

/// What is wrong with one listener by itself; "" if nothing is.
std::string fault_of(const listener& l) {
  if (has_port(l, 465) && l.tls != listener_tls::implicit &&
      !(l.tls == listener_tls::automatic && l.role == listener_role::submission)) {
    return "clients of port 465 begin with TLS (RFC 8314): write tls: implicit, or role: "
           "submission";
  }
  if (has_port(l, 25) && l.tls == listener_tls::implicit) {
    return "clients of port 25 begin in clear (RFC 5321): tls: implicit is for port 465";
  }
  if (l.tls == listener_tls::none && l.client_certificates) {
    return "client_certificates need TLS, and tls is none";
  }
  if (is_off(l, "STARTTLS") && needs_starttls(l)) {
    return "tls needs STARTTLS, which is in extensions_off";
  }
  if (is_off(l, "AUTH") && demands_auth(l)) return "AUTH is demanded, but also in extensions_off";
  if (l.mode != listener{}.mode && l.address.is != listen_address::kind::local) {
    return "mode is for UNIX sockets only";
  }
  return {};
}

}  // namespace

void check_listeners(const settings& s, std::vector<contradiction>& found) {
  for (std::size_t i = 0; i < s.listeners.size(); ++i) {
    const auto& l = s.listeners[i];
    const auto name = "listener " + printable(l.address.text(), 120) + ": ";
    const auto end = s.listeners.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(s.listeners.begin(), end,
                    [&](auto& other) { return other.address == l.address; })) {
      found.push_back(
          {{"listeners"}, "two listeners have the address " + printable(l.address.text(), 120), i});
    }
    if (auto fault = fault_of(l); !fault.empty()) {
      found.push_back({{"listeners"}, name + fault, i});
      continue;
    }
    if (wants_tls(l) && s.tls.certificates.empty()) {
      found.push_back({{"listeners", "tls.certificates"},
                       name + "it needs TLS, but tls.certificates is empty",
                       i});
    }
    if (demands_auth(l) && !can_log_in(s)) {
      found.push_back(
          {{"listeners", "auth.users_file", "auth.pam_service", "auth.dovecot_socket",
            "auth.certificates", "auth.tokens.introspection_url", "auth.tokens.jwt_keys_file",
            "tls.client_ca_file"},
           name + "it demands AUTH, but nobody can log in: set auth.users_file or another backend",
           i});
    }
  }
  const bool asks = std::ranges::any_of(s.listeners, &listener::client_certificates);
  if (asks) return;
  if (!s.auth.certificates.empty()) {
    found.push_back({{"auth.certificates", "listeners"},
                     "auth.certificates is set, but no listener asks for certificates: set "
                     "client_certificates there"});
  }
  if (!s.relay.trusted_certificates.empty()) {
    found.push_back(
        {{"relay.trusted_certificates", "listeners"},
         "relay.trusted_certificates is set, but no listener asks for certificates: set "
         "client_certificates there"});
  }
}

}  // namespace relais::config
