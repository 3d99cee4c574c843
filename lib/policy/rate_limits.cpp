#include "policy/rate_limits.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "policy/client_network.hpp"
#include "policy/rule_name.hpp"

namespace relais::policy {

rate_limits::rate_limits(const config::policy_settings& settings, const keyed_hash& hash,
                         std::size_t maximum_counters)
    : limits_(settings.rates),
      exempt_(settings.rate_exempt),
      hash_(hash),
      counters_(maximum_counters) {
  for (auto& limit : limits_) limit.window = std::max(limit.window, duration(1));
}

bool rate_limits::concern(config::rate_of what, const ip_address& client) const noexcept {
  const bool has_limit = std::ranges::any_of(limits_, [&](const auto& l) { return l.of == what; });
  return has_limit && !is_in_any(client, exempt_);
}

std::optional<digest> rate_limits::key_of(std::size_t limit, const rate_subject& who) const {
  const auto number = std::to_string(limit);
  switch (limits_[limit].per) {
    case config::rate_per::client: return hash_({number, who.client.text()});
    case config::rate_per::network: return hash_({number, client_network(who.client).text()});
    case config::rate_per::user:
      if (who.user.empty()) return {};
      return hash_({number, who.user});
    case config::rate_per::sender:
      if (who.sender.empty()) return {};
      return hash_({number, to_lower(who.sender)});
  }
  return {};
}

void rate_limits::advance(counter& c, duration window, steady_time now) noexcept {
  const auto passed = now - c.begin;
  if (passed < window) return;
  c.previous = passed < 2 * window ? c.current : 0;
  c.current = 0;
  c.begin += passed / window * window;
}

std::optional<std::string> rate_limits::exceeded(config::rate_of what, const rate_subject& who,
                                                 steady_time now) {
  if (!concern(what, who.client)) return {};
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    const auto& limit = limits_[i];
    if (limit.of != what) continue;
    const auto key = key_of(i, who);
    if (!key) continue;
    double used = 0;
    if (auto* c = counters_.find(*key)) {
      advance(*c, limit.window, now);
      const auto left = static_cast<double>((c->begin + limit.window - now).count()) /
                        static_cast<double>(limit.window.count());
      used = static_cast<double>(c->current) + static_cast<double>(c->previous) * left;
    }
    if (used + 1 > static_cast<double>(limit.limit)) return rule_name(limit.place, "policy.rates");
  }
  return {};
}

void rate_limits::count(config::rate_of what, const rate_subject& who, steady_time now) {
  if (!concern(what, who.client)) return;
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    if (limits_[i].of != what) continue;
    const auto key = key_of(i, who);
    if (!key) continue;
    auto* c = counters_.find(*key);
    if (c == nullptr) {
      counter fresh;
      fresh.begin = now;
      c = &counters_.put(*key, fresh);
    }
    advance(*c, limits_[i].window, now);
    ++c->current;
  }
}

}  // namespace relais::policy
