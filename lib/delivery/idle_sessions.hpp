// Sessions that wait for their next transaction, found by the next hop that gave them back or by a
// key that says what makes two connections the same. Knows no rules: how long, how often and how
// many is the matter of connections.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "delivery/client_session.hpp"
#include "policy/route.hpp"

namespace relais::delivery {

class idle_sessions {
 public:
  using session_ptr = std::unique_ptr<client_session>;

  void put(const policy::next_hop& hop, std::string key, session_ptr session, steady_time now);
  /// The one that was used last and suits; null if none does.
  session_ptr take(const policy::next_hop& hop,
                   const std::function<bool(const client_session&)>& suits);
  session_ptr take(const std::string& key, const std::function<bool(const client_session&)>& suits);
  /// The one that is idle for the longest time; null if there is none.
  session_ptr take_oldest();
  /// Of those for which that holds.
  session_ptr take_oldest(const std::function<bool(const client_session&)>& suits);

  void visit(const std::function<void(const client_session&)>& visitor) const;
  bool has(const policy::next_hop& hop) const noexcept { return by_hop_.contains(hop); }
  bool empty() const noexcept { return all_.empty(); }
  std::size_t size() const noexcept { return all_.size(); }
  /// Since when the oldest one is idle. Precondition: !empty().
  steady_time oldest() const noexcept { return all_.front().since; }

 private:
  struct entry;
  using position = std::list<entry>::iterator;
  struct entry {
    session_ptr session;
    steady_time since;
    policy::next_hop hop;
    std::multimap<std::string, position>::iterator in_keys;
  };
  session_ptr remove(position at);

  std::list<entry> all_;  // oldest first
  std::unordered_multimap<policy::next_hop, position> by_hop_;
  std::multimap<std::string, position> by_key_;
};

}  // namespace relais::delivery
