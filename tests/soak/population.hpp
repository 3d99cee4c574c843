// Who is there in a soak: some domains and their next hops, with habits drawn from the seed, and
// how the moods of each change. Some next hops are always good; one is the home of all senders.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "soak/next_hop.hpp"
#include "support/fake_resolver.hpp"

namespace relais::soak {

class population {
 public:
  population(testing::sim_world& world, testing::fake_resolver& dns, ledger& books);

  struct domain {
    std::string name;
    next_hop* primary = nullptr;
  };
  const std::vector<domain>& domains() const { return domains_; }
  /// Of the next hops that are always good, those that take their time for each content.
  const std::vector<std::size_t>& working() const { return working_; }
  const std::deque<next_hop>& next_hops() const { return next_hops_; }

  void begin();
  /// From now on all are good, for ever.
  void calm_down();
  void relay_restarted();
  void is_tried(const endpoint& at);
  void stop();
  bool is_idle() const;

 private:
  next_hop& settle(const std::string& name, habits ways);
  habits draw_habits();
  void change(next_hop& one);
  duration between(duration least, duration most);

  testing::sim_world& world_;
  testing::fake_resolver& dns_;
  ledger& books_;
  std::vector<domain> domains_;
  std::vector<std::size_t> working_;
  std::deque<next_hop> next_hops_;
  std::map<ip_address, next_hop*> by_address_;
  std::size_t first_moody_ = 0;  ///< those before are always good
  bool is_calm_ = false;
};

}  // namespace relais::soak
