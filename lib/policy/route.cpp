#include "policy/route.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/smarthost.hpp"
#include "policy/route_build.hpp"
#include "policy/route_matching.hpp"

namespace relais::policy {
namespace {

constexpr std::uint16_t usual_port = 25;  // that route_host::text() leaves out

bool is_of_recipient(const route_host& host) noexcept {
  return host.name.empty();
}

std::string_view word_of(config::route_action action) noexcept {
  switch (action) {
    case config::route_action::discard: return "discard";
    case config::route_action::error: return "error";
    case config::route_action::hold: return "hold";
    case config::route_action::relay: break;
  }
  return "relay";
}

/// The bare <postmaster> is the postmaster of this host.
smtp::path qualified(const smtp::path& address, const std::string& hostname) {
  if (!address.domain().empty()) return address;
  auto whole = smtp::parse_address(address.local_part() + '@' + hostname);
  return whole ? *std::move(whole) : address;
}

}  // namespace

std::string route_host::text() const {
  if (is_local) return "unix:" + name;
  const bool is_literal = name.starts_with('[');
  auto shown = name.empty() ? "mx" : lookup_mx || is_literal ? name : '[' + name + ']';
  if (port != usual_port) shown += ':' + std::to_string(port);
  return shown;
}

bool route::follows_domain() const noexcept {
  return std::ranges::any_of(hosts, is_of_recipient) ||
         std::ranges::any_of(fallback, is_of_recipient);
}

routes::routes(const config::settings& settings)
    : matching_(std::make_shared<const matching>(settings.routes)),
      rows_(settings.routes.size()),
      hostname_(to_lower(settings.hostname)),
      port_(settings.delivery.port) {
  for (std::size_t i = 0; i < rows_; ++i) all_.push_back(route_of_row(settings, i));
  // The loader refuses what is no next hop.
  if (config::parse_smarthost(settings.smarthost.host, port_)) {
    all_.push_back(smarthost_route(settings));
  }
  mx_ = all_.size();
  all_.push_back(mx_route(settings));
  all_.push_back(operator_route(settings));
}

bool routes::need_user(const config::settings& settings) noexcept {
  return std::ranges::any_of(settings.routes, [](auto& r) { return !r.users.empty(); });
}

bool routes::need_listener(const config::settings& settings) noexcept {
  return std::ranges::any_of(settings.routes, [](auto& r) { return !r.listeners.empty(); });
}

next_hop routes::hop_by(std::size_t number, std::string_view domain) const {
  next_hop hop;
  hop.route = static_cast<std::uint32_t>(number);
  if (all_[number]->follows_domain()) hop.domain = to_lower(domain);
  return hop;
}

next_hop routes::find(const route_subject& subject) const {
  if (rows_ == 0 && !subject.forward_path.domain().empty()) {
    return hop_by(0, subject.forward_path.domain());
  }
  const auto forward = qualified(subject.forward_path, hostname_);
  const route_subject whole{forward, subject.reverse_path, subject.user, subject.listener};
  // Behind the rows stands the smarthost or, without one, MX.
  return hop_by(matching_->find(whole), forward.domain().empty() ? hostname_ : forward.domain());
}

std::string_view routes::mismatch(std::size_t number, const route_subject& subject) const {
  if (number >= rows_) return {};
  const auto forward = qualified(subject.forward_path, hostname_);
  return matching_->mismatch(number,
                             {forward, subject.reverse_path, subject.user, subject.listener});
}

std::vector<route_host> routes::hosts(const next_hop& hop) const {
  const auto& way = at(hop);
  if (hop.route + 1 == all_.size()) {
    auto host = parse_host(hop.domain, usual_port);
    return host ? std::vector{*std::move(host)} : std::vector<route_host>{};
  }
  auto hosts = hop.is_fallback ? way.fallback : way.hosts;
  for (auto& host : hosts) {
    // A literal, too: it has no MX, but what a sender writes must pass the check of special
    // addresses that only chosen hosts are free of.
    if (is_of_recipient(host)) host.name = hop.domain;
  }
  return hosts;
}

bool routes::wants_fallback(const next_hop& hop, unsigned attempts, duration age) const noexcept {
  const auto& way = at(hop);
  if (hop.is_fallback || way.fallback.empty()) return false;
  return (way.fallback_attempts != 0 && attempts >= way.fallback_attempts) ||
         (way.fallback_time > duration{} && age >= way.fallback_time);
}

std::string routes::text(const next_hop& hop) const {
  const auto& way = at(hop);
  if (way.action != config::route_action::relay) return std::string(word_of(way.action));
  if (hop.route + 1 == all_.size()) return hop.domain;
  std::string shown;
  for (const auto& host : hosts(hop)) shown += (shown.empty() ? "" : ", ") + host.text();
  return shown;
}

std::optional<next_hop> routes::parse(std::string_view text) const {
  const auto host = parse_host(text, port_);
  if (host && (host->name.empty() || text.find(',') != std::string_view::npos)) return {};
  const auto wanted = host ? host->text() : std::string(text);
  const auto is_wanted = [&](const next_hop& hop) {
    const auto shown = this->text(hop);
    return shown == wanted || shown == text;
  };
  for (std::size_t i = 0; i <= mx_; ++i) {
    const auto hop = hop_by(i, {});
    if (all_[i]->action != config::route_action::relay || all_[i]->follows_domain()) continue;
    if (is_wanted(hop)) return hop;
  }
  if (!host) return {};
  if (host->lookup_mx) {
    const auto postmaster = smtp::parse_address("postmaster@" + host->name);
    if (postmaster) {
      const auto hop = find({*postmaster, {}});
      if (at(hop).action == config::route_action::relay && is_wanted(hop)) return hop;
    }
    if (host->port == port_) return hop_by(mx_, host->name);
  }
  next_hop hop;
  hop.route = static_cast<std::uint32_t>(all_.size() - 1);
  hop.domain = wanted;
  if (host->port == usual_port && port_ != usual_port) hop.domain += ":25";
  return hop;
}

}  // namespace relais::policy
