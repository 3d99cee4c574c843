#include "soak/population.hpp"

#include <algorithm>
#include <cmath>

namespace relais::soak {

using namespace std::chrono_literals;
using smtp::extension;

namespace {

constexpr std::size_t reliable = 4, moody = 14;

struct mood_row {
  mood is;
  unsigned weight;
  duration least, most;
};
constexpr mood_row rows[] = {
    {mood::good, 30, 1h, 40h},        {mood::slow, 8, 20min, 12h},
    {mood::breaking, 16, 20min, 24h}, {mood::storm, 10, 10min, 8h},
    {mood::deferring, 5, 10min, 6h},  {mood::turning_away, 5, 10min, 12h},
    {mood::refusing, 10, 5min, 80h},  {mood::black_hole, 10, 5min, 80h},
    {mood::mute, 6, 10min, 24h},
};

}  // namespace

population::population(testing::sim_world& world, testing::fake_resolver& dns, ledger& books)
    : world_(world), dns_(dns), books_(books) {
  auto& home = settle("mx.home.test", habits());
  dns_.add_mx("home.test", 10, home.name());
  for (std::size_t i = 0; i < reliable; ++i) {
    habits ways;
    if (i % 2 == 0) ways.work = 1s;
    if (i % 2 == 1) ways.extensions.remove(extension::chunking);
    if (i % 2 == 0) working_.push_back(domains_.size());
    const auto name = "r" + std::to_string(i) + ".test";
    auto& mx = settle("mx." + name, ways);
    dns_.add_mx(name, 10, mx.name());
    domains_.push_back({name, &mx});
  }
  first_moody_ = next_hops_.size();
  auto last_resort = draw_habits();
  last_resort.has_backup = true;
  last_resort.domains = (moody + 3) / 5;
  auto& backup = settle("backup.test", last_resort);
  for (std::size_t i = 0; i < moody; ++i) {
    auto ways = draw_habits();
    if (i % 7 == 0) ways.domains = 2;
    const auto name = "d" + std::to_string(i) + ".test";
    ways.has_backup = i % 5 == 1;
    auto& mx = settle("mx." + name, ways);
    for (std::size_t d = 0; d < ways.domains; ++d) {
      const auto served = d == 0 ? name : "other." + name;
      dns_.add_mx(served, 10, mx.name());
      domains_.push_back({served, &mx});
      if (ways.has_backup) dns_.add_mx(served, 20, backup.name());
    }
  }
}

next_hop& population::settle(const std::string& name, habits ways) {
  const auto number = next_hops_.size();
  const auto address = "198.51.100." + std::to_string(10 + number);
  dns_.add_address(name, address);
  auto& made =
      next_hops_.emplace_back(world_, books_, *ip_address::parse(address), name, std::move(ways));
  by_address_[made.address()] = &made;
  return made;
}

habits population::draw_habits() {
  auto& random = world_.random;
  habits ways;
  if (random.below(5) < 2) ways.extensions.remove(extension::chunking);
  if (random.below(5) == 0) ways.extensions.remove(extension::enhanced_statuscodes);
  if (random.below(2) == 0) ways.extensions.remove(extension::dsn);
  switch (random.below(8)) {
    case 0: ways.extensions.remove(extension::pipelining); break;
    case 1: ways.pipelining = honesty::discards; break;
    case 2: ways.pipelining = honesty::hangs_up; break;
    case 3: ways.pipelining = honesty::babbles; break;
    default: break;
  }
  // Who throws octets away in the middle of chunks would make messages of the rest. And where no
  // 354 stands between RCPT and the end of the content, nobody can tell whose a reply too many is.
  if (ways.pipelining == honesty::discards || ways.pipelining == honesty::babbles) {
    ways.extensions.remove(extension::chunking);
  }
  if (random.below(4) == 0) ways.recipients_per_message = 2;
  ways.has_greylist = random.below(4) == 0;
  return ways;
}

// Evenly over the orders of magnitude.
duration population::between(duration least, duration most) {
  const auto ratio = static_cast<double>(most.count()) / static_cast<double>(least.count());
  const auto time = static_cast<double>(least.count()) * std::pow(ratio, world_.random.unit());
  return duration(static_cast<duration::rep>(time));
}

void population::begin() {
  for (std::size_t i = first_moody_; i < next_hops_.size(); ++i) change(next_hops_[i]);
}

void population::change(next_hop& one) {
  if (is_calm_) return;
  auto left = world_.random.below(100);
  const auto* row = std::begin(rows);
  while (left >= row->weight) left -= row++->weight;
  one.become(row->is);
  const auto until = world_.clock.now() + between(row->least, row->most);
  world_.at(until, [this, &one] { change(one); });
}

void population::calm_down() {
  is_calm_ = true;
  for (auto& one : next_hops_) one.become(mood::good);
}

void population::relay_restarted() {
  for (auto& one : next_hops_) one.relay_restarted();
}

void population::is_tried(const endpoint& at) {
  const auto found = by_address_.find(at.address);
  if (found != by_address_.end()) found->second->is_tried();
}

void population::stop() {
  for (auto& one : next_hops_) one.stop();
}

bool population::is_idle() const {
  return std::ranges::all_of(next_hops_, &next_hop::is_idle);
}

}  // namespace relais::soak
