// What goes before all of the spool is known, and a clock that goes on between two looks at it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "unit/queue/schedule_scene.hpp"

namespace relais {
namespace {

using namespace std::chrono_literals;
using testing::schedule_scene;

/// The scene's own schedule has begun; this one has not.
struct start_scene : schedule_scene {
  start_scene() {
    starting.on_ready([this](queue::destination& d) { woken.push_back(name(d.hop)); });
  }
  queue::scheduler starting{world, routes, store};
};

TEST_CASE_METHOD(start_scene, "fresh mail goes before all of the spool is known, found mail not") {
  const auto to = hop("r.example");
  const auto old = message();
  starting.add(to, cold(old));
  CHECK(woken.empty());
  auto& d = *starting.find(to);
  CHECK(!starting.take(d));
  const auto fresh = message();
  starting.add(to, hot(fresh));
  CHECK(woken == std::vector<std::string>{"r.example"});
  auto job = starting.take(d);
  REQUIRE(job);
  CHECK(job->message->id == fresh);
  starting.finished(d, *job);
  CHECK(!starting.take(d));
  starting.release(d);
  REQUIRE(starting.find(to) == &d);

  woken.clear();
  starting.begin();
  CHECK(woken.empty());  // in a turn of its own
  advance(0s);
  CHECK(woken == std::vector<std::string>{"r.example"});
  job = starting.take(d);
  REQUIRE(job);
  CHECK(job->message->id == old);
  starting.finished(d, *job);
  starting.release(d);
  CHECK(starting.find(to) == nullptr);
}

TEST_CASE_METHOD(start_scene, "what was found keeps its time") {
  const auto to = hop("r.example");
  auto later = cold(message());
  later.due = wall_in(10min);
  starting.add(to, std::move(later));
  starting.begin();
  advance(0s);
  CHECK(woken.empty());
  advance(10min - 1s);
  CHECK(woken.empty());
  advance(1s);
  CHECK(woken == std::vector<std::string>{"r.example"});
  CHECK(starting.take(*starting.find(to)));
}

TEST_CASE_METHOD(start_scene, "what is withdrawn before the start never goes") {
  const auto to = hop("r.example");
  const auto id = message();
  starting.add(to, cold(id));
  starting.withdraw(0, 100, {id});
  CHECK(starting.jobs() == 0);
  starting.begin();
  advance(0s);
  CHECK(woken.empty());
}

TEST_CASE_METHOD(start_scene, "a full queue goes piece by piece and none of it is left") {
  constexpr int count = 20'000;
  for (int i = 0; i < count; ++i)
    starting.add(hop("d" + std::to_string(i) + ".example"), cold(message()));
  starting.begin();
  advance(0s);
  CHECK(woken.size() == count);
  CHECK(std::set<std::string>(woken.begin(), woken.end()).size() == count);
  for (int i = 0; i < count; ++i)
    REQUIRE(starting.take(*starting.find(hop("d" + std::to_string(i) + ".example"))));
}

TEST_CASE_METHOD(start_scene, "a long line of fresh mail is not kept in memory") {
  const auto to = hop("r.example");
  std::vector<std::weak_ptr<const queue::queued_message>> known;
  for (int i = 0; i < 5000; ++i) {
    auto job = hot(message());
    known.push_back(job.message);
    starting.add(to, std::move(job));
  }
  const auto kept = std::ranges::count_if(known, [](const auto& m) { return !m.expired(); });
  CHECK(kept >= 256);
  CHECK(kept <= 1100);
  auto& d = *starting.find(to);
  CHECK(d.ready() == 5000);
  for (const auto& message : known) {
    const bool was_kept = !message.expired();
    const auto before = store.look_ups;
    const auto job = starting.take(d);
    REQUIRE(job);
    CHECK(store.look_ups == before + (was_kept ? 0 : 1));
    starting.finished(d, *job);
  }
}

/// Time goes by between any two looks.
struct running_clock final : relais::clock {
  steady_time now() const override { return steady_time(24h + ++looks * 1ns); }
  wall_time wall() const override { return wall_time(1795219200s); }
  mutable std::int64_t looks = 0;
};

TEST_CASE_METHOD(schedule_scene, "what is due at once stays in memory though time goes by") {
  const running_clock running;
  const net::runtime around{io.get_executor(), running, random, alarms, *network};
  queue::scheduler schedule(around, routes, store);
  schedule.begin();
  const auto to = hop("r.example");
  schedule.add(to, hot(message()));
  auto& d = *schedule.find(to);
  CHECK(d.ready() == 1);
  CHECK(schedule.take(d));
  CHECK(store.look_ups == 0);
}

}  // namespace
}  // namespace relais
