#include "support/sim_world.hpp"

#include <deque>

#include "base/error.hpp"
#include "support/sim_network.hpp"

namespace relais::testing {

using namespace std::chrono_literals;

namespace {

class sim_alarm final : public net::alarm {
 public:
  sim_alarm(sim_world& world, std::function<void()> ring)
      : world_(world), state_(std::make_shared<state>()) {
    state_->ring = std::move(ring);
  }
  ~sim_alarm() override { state_->ring = nullptr; }
  sim_alarm(const sim_alarm&) = delete;
  sim_alarm& operator=(const sim_alarm&) = delete;

  void set(steady_time when) override {
    const auto generation = ++state_->generation;
    world_.at(when, [s = state_, generation] {
      if (generation != s->generation || !s->ring) return;
      const auto ring = s->ring;  // the callback may destroy the alarm
      ring();
    });
  }
  void clear() override { ++state_->generation; }

 private:
  struct state {
    std::function<void()> ring;
    unsigned generation = 0;
  };
  sim_world& world_;
  std::shared_ptr<state> state_;
};

class sim_alarms final : public net::alarms {
 public:
  explicit sim_alarms(sim_world& world) : world_(world) {}
  std::unique_ptr<net::alarm> make(std::function<void()> ring) override {
    return std::make_unique<sim_alarm>(world_, std::move(ring));
  }

 private:
  sim_world& world_;
};

class sim_runner final : public spool::runner {
 public:
  explicit sim_runner(sim_world& world) : world_(world) {}

  void run(std::function<void()> job) override {
    const auto starts = std::max(world_.clock.now(), free_at_);
    free_at_ = starts + duration(static_cast<std::int64_t>(world_.random.below(5'000'000)));
    world_.at(free_at_, std::move(job));
  }

 private:
  sim_world& world_;
  steady_time free_at_{};
};

}  // namespace

wall_time sim_clock::wall() const {
  // 2026-11-21 00:00:00 UTC
  return wall_time(std::chrono::seconds(1795219200)) +
         std::chrono::duration_cast<std::chrono::microseconds>(elapsed + wall_offset);
}

sim_world::sim_world(std::uint64_t seed)
    : random(seed), alarms_(std::make_unique<sim_alarms>(*this)) {}

sim_world::~sim_world() = default;

void sim_world::at(steady_time when, std::function<void()> what) {
  events_.emplace(std::max(when, clock.now()), std::move(what));
}

bool sim_world::run_until(const std::function<bool()>& over, duration limit) {
  const auto end = clock.now() + limit;
  for (;;) {
    io.restart();
    while (io.poll() != 0) io.restart();
    if (over()) return true;
    if (events_.empty() || events_.begin()->first > end) return false;
    const auto first = events_.begin();
    clock.elapsed = first->first.time_since_epoch();
    const auto what = std::move(first->second);
    events_.erase(first);
    what();
  }
}

net::network& sim_world::node(const ip_address& address) {
  auto& found = nodes_[address];
  if (!found) found = std::make_unique<sim_node>(*this, address);
  return *found;
}

const net::runtime& sim_world::runtime(const ip_address& address) {
  auto& found = runtimes_[address];
  if (!found) {
    found = std::make_unique<net::runtime>(
        net::runtime{io.get_executor(), clock, random, alarms(), node(address)});
  }
  return *found;
}

std::unique_ptr<spool::runner> sim_world::make_runner() {
  return std::make_unique<sim_runner>(*this);
}

}  // namespace relais::testing
