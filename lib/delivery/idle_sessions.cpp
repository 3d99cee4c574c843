#include "delivery/idle_sessions.hpp"

#include <algorithm>

namespace relais::delivery {

void idle_sessions::put(const policy::next_hop& hop, std::string key, session_ptr session,
                        steady_time now) {
  all_.push_back(entry{std::move(session), now, hop, {}});
  const auto at = std::prev(all_.end());
  at->in_keys = by_key_.emplace(std::move(key), at);
  by_hop_.emplace(hop, at);
}

idle_sessions::session_ptr idle_sessions::remove(position at) {
  auto session = std::move(at->session);
  const auto [first, last] = by_hop_.equal_range(at->hop);
  by_hop_.erase(std::find_if(first, last, [&](const auto& e) { return e.second == at; }));
  by_key_.erase(at->in_keys);
  all_.erase(at);
  return session;
}

idle_sessions::session_ptr idle_sessions::take(
    const policy::next_hop& hop, const std::function<bool(const client_session&)>& suits) {
  const entry* best = nullptr;
  position found;
  const auto [first, last] = by_hop_.equal_range(hop);
  for (auto e = first; e != last; ++e) {
    if (best != nullptr && e->second->since <= best->since) continue;
    if (!suits(*e->second->session)) continue;
    found = e->second;
    best = &*found;
  }
  return best == nullptr ? nullptr : remove(found);
}

idle_sessions::session_ptr idle_sessions::take(
    const std::string& key, const std::function<bool(const client_session&)>& suits) {
  // Equal keys are in the order of insertion.
  const auto [first, last] = by_key_.equal_range(key);
  for (auto e = last; e != first;) {
    --e;
    if (suits(*e->second->session)) return remove(e->second);
  }
  return nullptr;
}

idle_sessions::session_ptr idle_sessions::take_oldest() {
  return all_.empty() ? nullptr : remove(all_.begin());
}

idle_sessions::session_ptr idle_sessions::take_oldest(
    const std::function<bool(const client_session&)>& suits) {
  const auto at = std::ranges::find_if(all_, [&](const entry& e) { return suits(*e.session); });
  return at == all_.end() ? nullptr : remove(at);
}

void idle_sessions::visit(const std::function<void(const client_session&)>& visitor) const {
  for (const auto& e : all_) visitor(*e.session);
}

}  // namespace relais::delivery
