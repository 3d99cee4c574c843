#include "delivery/host_order.hpp"

#include <algorithm>
#include <iterator>

namespace relais::delivery {

std::string where_text(const session_target& to) {
  if (!to.local_path.empty()) return to.local_path;
  return endpoint{to.host.address, to.port}.text();
}

std::string relay_text(const session_target& to) {
  if (!to.local_path.empty()) return "unix:" + to.local_path;
  return to.host.name + '[' + to.host.address.text() + "]:" + std::to_string(to.port);
}

std::vector<policy::route_host> draw_order(std::vector<policy::route_host> hosts, random& rng) {
  std::ranges::sort(hosts, {}, &policy::route_host::preference);
  for (auto group = hosts.begin(); group != hosts.end();) {
    const auto end = std::ranges::upper_bound(group, hosts.end(), group->preference, {},
                                              &policy::route_host::preference);
    for (; end - group > 1; ++group) {
      std::uint64_t sum = 0;
      for (auto h = group; h != end; ++h) sum += h->weight;
      // Without any weight all are equal; else those without come last but by chance never first.
      auto drawn = rng.below(sum == 0 ? static_cast<std::uint64_t>(end - group) : sum);
      auto chosen = group;
      for (; chosen + 1 != end; ++chosen) {
        const std::uint64_t share = sum == 0 ? 1 : chosen->weight;
        if (drawn < share) break;
        drawn -= share;
      }
      std::rotate(group, chosen, chosen + 1);
    }
    group = end;
  }
  return hosts;
}

namespace {

bool is_v6(const candidate& c) noexcept {
  return c.to.local_path.empty() && c.to.host.address.is_v6();
}

/// The first one stays the first; then the other family has its turn.
void alternate(std::vector<candidate>::iterator from, std::vector<candidate>::iterator to) {
  for (; to - from > 2; ++from) {
    const bool want_v6 = !is_v6(*from);
    const auto next =
        std::find_if(from + 1, to, [&](const candidate& c) { return is_v6(c) == want_v6; });
    if (next == to) return;
    std::rotate(from + 1, next, next + 1);
  }
}

}  // namespace

attempt_plan plan_attempts(std::vector<candidate> all, const host_book& book, steady_time now) {
  attempt_plan plan;
  const auto standing = [&](const candidate& c) { return book.look_up(where_text(c.to), now); };
  for (const auto& c : all) {
    if (!standing(c).is_dead) plan.hosts.push_back(c);
  }
  plan.has_left_out = plan.hosts.size() < all.size();
  if (plan.hosts.empty() && !all.empty()) {
    plan.is_probe = true;
    plan.hosts.push_back(*std::ranges::min_element(
        all, {}, [&](const candidate& c) { return standing(c).failed_at; }));
    plan.has_left_out = all.size() > 1;
  }
  std::vector<candidate> ordered;
  for (auto tier = plan.hosts.begin(); tier != plan.hosts.end();) {
    const auto end =
        std::ranges::upper_bound(tier, plan.hosts.end(), tier->tier, {}, &candidate::tier);
    for (const bool slow : {false, true}) {
      const auto from = static_cast<std::ptrdiff_t>(ordered.size());
      std::copy_if(tier, end, std::back_inserter(ordered),
                   [&](const candidate& c) { return standing(c).is_slow == slow; });
      alternate(ordered.begin() + from, ordered.end());
    }
    tier = end;
  }
  plan.hosts = std::move(ordered);
  return plan;
}

}  // namespace relais::delivery
