#include "support/sim_world.hpp"

#include <algorithm>
#include <vector>

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
  sim_runner(sim_world& world, std::size_t threads)
      : state_(std::make_shared<state>(world, threads)) {}
  ~sim_runner() override {
    // A job may be the last owner of something whose end asks for another job.
    while (!state_->jobs.empty()) state_->jobs.erase(state_->jobs.begin());
  }
  sim_runner(const sim_runner&) = delete;
  sim_runner& operator=(const sim_runner&) = delete;

  void run(std::function<void()> job) override { begin(*state_, state_->keep(std::move(job))); }
  void run_after(duration delay, std::function<void()> job) override {
    const auto number = state_->keep(std::move(job));
    state_->world.at(state_->world.clock.now() + delay, [s = std::weak_ptr(state_), number] {
      if (const auto alive = s.lock()) begin(*alive, number);
    });
  }

 private:
  // The jobs are here, not in the world's events: they end with the runner.
  struct state : std::enable_shared_from_this<state> {
    state(sim_world& w, std::size_t threads) : world(w), free_at(threads) {}
    std::uint64_t keep(std::function<void()> job) {
      jobs.emplace(++last, std::move(job));
      return last;
    }
    sim_world& world;
    std::vector<steady_time> free_at;  // of each thread
    std::map<std::uint64_t, std::function<void()>> jobs;
    std::uint64_t last = 0;
  };

  static void begin(state& s, std::uint64_t number) {
    auto& free_at = *std::ranges::min_element(s.free_at);
    const auto starts = std::max(s.world.clock.now(), free_at);
    free_at = starts + duration(static_cast<std::int64_t>(s.world.random.below(5'000'000)));
    s.world.at(free_at, [weak = s.weak_from_this(), number] {
      const auto alive = weak.lock();
      if (!alive) return;
      const auto job = alive->jobs.extract(number);
      if (job) job.mapped()();
    });
  }

  std::shared_ptr<state> state_;
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

std::unique_ptr<spool::runner> sim_world::make_runner(std::size_t threads) {
  return std::make_unique<sim_runner>(*this, threads);
}

}  // namespace relais::testing
