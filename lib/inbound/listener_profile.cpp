#include "inbound/listener_profile.hpp"

#include "policy/route.hpp"

namespace relais::inbound {
namespace {

constexpr std::uint16_t submissions_port = 465;  // RFC 8314

config::listener_tls resolved(const config::listener& of, bool has_certificates) {
  using enum config::listener_tls;
  if (of.tls != automatic) return of.tls;
  if (of.role == config::listener_role::relay) return has_certificates ? may : none;
  return of.address.at.port == submissions_port ? implicit : encrypt;
}

smtp::tls_state state_at_greeting(config::listener_tls tls) {
  switch (tls) {
    case config::listener_tls::may: return smtp::tls_state::offered;
    case config::listener_tls::encrypt: return smtp::tls_state::required;
    case config::listener_tls::implicit: return smtp::tls_state::active;
    case config::listener_tls::automatic:
    case config::listener_tls::none: break;
  }
  return smtp::tls_state::unavailable;
}

}  // namespace

bool listener_profile::trusts(const ip_address& client) const noexcept {
  return is_in_any(client, trusted_networks);
}

listener_profile make_profile(const config::settings& settings, const config::listener& of,
                              bool has_certificates) {
  listener_profile p;
  p.name = of.address.text();
  p.role = of.role;
  const auto tls = resolved(of, has_certificates);
  p.implicit_tls = tls == config::listener_tls::implicit;
  p.tls = state_at_greeting(tls);
  p.tls_minimum = of.tls_minimum == config::tls_version::automatic ? settings.tls.minimum_version
                                                                   : of.tls_minimum;
  p.ask_for_certificate = of.client_certificates;
  p.require_auth = of.require_auth == config::tristate::yes ||
                   (of.require_auth == config::tristate::automatic && p.is_submission());
  p.newlines = of.newlines;
  p.extensions = smtp::extension_set::usual();
  if (p.is_submission()) p.extensions.add(smtp::extension::future_release);
  for (const auto& keyword : of.extensions_off) {
    if (const auto found = smtp::find_extension(keyword)) p.extensions.remove(*found);
  }
  const auto& limits = settings.limits;
  p.message_size = of.message_size.bytes != 0 ? of.message_size.bytes : limits.message_size.bytes;
  p.recipients = of.recipients != 0 ? of.recipients : limits.recipients;
  p.connections = of.connections;
  p.banner_delay = of.banner_delay;
  p.trusted_networks = of.trusted_networks.value_or(settings.relay.trusted_networks);
  p.proxy_protocol = of.proxy_protocol;
  p.hide_client = of.hide_client;
  p.keeps_user = policy::routes::need_user(settings);
  p.keeps_name = policy::routes::need_listener(settings);
  return p;
}

}  // namespace relais::inbound
