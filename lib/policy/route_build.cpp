#include "policy/route_build.hpp"

#include <algorithm>
#include <utility>

#include "config/route_words.hpp"
#include "config/smarthost.hpp"
#include "policy/rule_name.hpp"

namespace relais::policy {
namespace {

/// What holds unless a row says otherwise.
std::unique_ptr<route> usual_route(const config::settings& s, std::string name) {
  auto way = std::make_unique<route>();
  way->name = std::move(name);
  way->tls = s.delivery.tls;
  way->tls_source = "delivery.tls";
  way->tls_ca_file = s.delivery.tls_ca_file;
  way->tls_certificate = s.delivery.tls_certificate;
  way->tls_key = s.delivery.tls_key;
  way->hello = s.hostname.empty() ? "localhost" : s.hostname;
  way->concurrency = static_cast<std::size_t>(s.delivery.concurrency_per_destination);
  way->initial_concurrency = static_cast<std::size_t>(s.delivery.initial_concurrency);
  way->messages_per_connection = static_cast<unsigned>(s.delivery.messages_per_connection);
  way->retry.intervals = s.retry.intervals;
  way->retry.jitter_percent = static_cast<unsigned>(s.retry.jitter);
  way->retry.lifetime = s.retry.queue_lifetime;
  way->retry.bounce_lifetime = s.retry.bounce_lifetime;
  way->retry.warnings = s.retry.delay_warnings;
  std::ranges::sort(way->retry.warnings);
  return way;
}

std::vector<route_host> hosts_of(const std::vector<std::string>& texts, std::uint16_t port) {
  std::vector<route_host> hosts;
  for (const auto& text : texts) {
    auto host = parse_host(text, port);
    if (!host) continue;
    const auto place =
        std::ranges::upper_bound(hosts, host->preference, {}, &route_host::preference);
    hosts.insert(place, *std::move(host));
  }
  return hosts;
}

void add_usual_hosts(const config::settings& s, route& way) {
  const auto target = config::parse_smarthost(s.smarthost.host, s.delivery.port);
  route_host host;
  host.port = s.delivery.port;
  host.lookup_mx = true;
  if (target) {
    host.name = target->host;
    host.port = target->port;
    host.lookup_mx = target->lookup_mx;
    host.is_chosen = true;
    if (!s.smarthost.username.empty()) {
      way.login.emplace(s.smarthost.username, s.smarthost.password);
    }
  }
  way.hosts.push_back(std::move(host));
}

void add_tls(const config::route_settings& row, route& way) {
  if (row.tls != config::tls_choice::automatic) {
    way.tls = row.tls;
    way.tls_source = rule_name(row.place, "routes");
  } else if (std::ranges::all_of(way.hosts, &route_host::is_local) &&
             std::ranges::all_of(way.fallback, &route_host::is_local)) {
    way.tls = config::tls_choice::none;
    way.tls_source = "UNIX socket";
  }
  way.fingerprints = row.fingerprints;
  way.verify_names = row.verify_names;
  if (!row.tls_ca_file.empty()) way.tls_ca_file = row.tls_ca_file;
  if (!row.tls_certificate.empty()) {
    way.tls_certificate = row.tls_certificate;
    way.tls_key = row.tls_key;
  }
}

void add_limits(const config::route_settings& row, route& way) {
  if (row.concurrency != 0) way.concurrency = static_cast<std::size_t>(row.concurrency);
  way.initial_concurrency = std::min(way.initial_concurrency, way.concurrency);
  if (row.messages_per_connection != 0) {
    way.messages_per_connection = static_cast<unsigned>(row.messages_per_connection);
  }
  way.messages = row.messages;
  way.connections = row.connections;
  way.rate_window = row.rate_window;
  if (!row.retry_intervals.empty()) way.retry.intervals = row.retry_intervals;
  if (row.queue_lifetime != duration{}) {
    way.retry.lifetime = row.queue_lifetime;
    way.retry.bounce_lifetime = std::min(way.retry.bounce_lifetime, row.queue_lifetime);
  }
}

}  // namespace

std::optional<route_host> parse_host(std::string_view text, std::uint16_t default_port) {
  const auto target = config::parse_next_hop(text, default_port);
  if (!target) return {};
  route_host host;
  host.name = target->host;
  host.port = target->port;
  host.lookup_mx = target->lookup_mx;
  host.is_local = target->is_local;
  host.preference = target->preference;
  host.weight = target->weight;
  host.is_chosen = !target->host.empty();
  return host;
}

std::unique_ptr<route> route_of_row(const config::settings& s, std::size_t number) {
  const auto& row = s.routes[number];
  auto way = usual_route(s, row.name.empty() ? "route " + std::to_string(number + 1) : row.name);
  way->place = row.place;
  way->action = row.action;
  if (row.action == config::route_action::error) {
    if (auto error = config::parse_error_text(row.text)) {
      way->status = std::move(error->status);
      way->text = std::move(error->text);
    }
  }
  if (row.action != config::route_action::relay) return way;
  if (row.next_hops.empty()) {
    add_usual_hosts(s, *way);
  } else {
    way->hosts = hosts_of(row.next_hops, s.delivery.port);
  }
  if (!row.username.empty()) way->login.emplace(row.username, row.password);
  way->fallback = hosts_of(row.fallback, s.delivery.port);
  way->fallback_attempts = static_cast<unsigned>(row.fallback_attempts);
  way->fallback_time = row.fallback_time;
  way->is_lmtp = row.protocol == config::route_protocol::lmtp;
  way->source_ipv4 = ip_address::parse(row.source_ipv4);
  way->source_ipv6 = ip_address::parse(row.source_ipv6);
  if (!row.hello.empty()) way->hello = row.hello;
  add_tls(row, *way);
  add_limits(row, *way);
  return way;
}

std::unique_ptr<route> smarthost_route(const config::settings& s) {
  auto way = usual_route(s, "smarthost");
  add_usual_hosts(s, *way);
  return way;
}

std::unique_ptr<route> mx_route(const config::settings& s) {
  auto way = usual_route(s, "MX");
  route_host host;
  host.port = s.delivery.port;
  host.lookup_mx = true;
  way->hosts.push_back(std::move(host));
  return way;
}

std::unique_ptr<route> operator_route(const config::settings& s) {
  return usual_route(s, "operator");
}

}  // namespace relais::policy
