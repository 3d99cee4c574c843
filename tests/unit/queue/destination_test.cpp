// Destinations that are down, paused, suspended: who is tried, who is told, and how often anybody
// is woken for it.
#include <algorithm>
#include <catch2/catch.hpp>

#include "unit/queue/schedule_scene.hpp"

namespace relais::queue {
namespace {

using namespace std::chrono_literals;
using testing::schedule_scene;

struct down_scene : schedule_scene {
  /// A job that had an attempt already.
  queue_id add_tried(const std::string& domain, duration due = 0s) {
    const auto id = message();
    auto job = cold(id);
    job.attempts = 1;
    job.due = wall_in(due);
    scheduler.add(hop(domain), std::move(job));
    return id;
  }
  delivery_job take(const std::string& domain) {
    auto job = scheduler.take(at(domain));
    REQUIRE(job);
    return std::move(*job);
  }
  /// What delivery does about a destination that does not answer; how many jobs it was given.
  int tell(const std::string& domain) {
    int told = 0;
    auto& d = at(domain);
    while (d.has_overdue()) {
      while (auto job = scheduler.take_overdue(d)) {
        ++told;
        job->attempts = std::max(job->attempts, 1u);
        if (scheduler.deadline(d, *job) <= clock.now()) ++job->warnings;
        const auto until = scheduler.deadline(d, *job);
        scheduler.stall(d, std::move(*job), until);
      }
      woken.clear();
      advance(0s);  // there may be more than it looks at in one go
      if (d.has_overdue()) CHECK(woken.size() == 1);
    }
    return told;
  }
};

TEST_CASE_METHOD(down_scene,
                 "ten thousand jobs of a dead destination cost one probe per interval") {
  for (int i = 0; i < 10'000; ++i) add_tried("dead.example");
  auto& d = at("dead.example");
  auto first = take("dead.example");
  scheduler.down(d, in(10min), "connect: timed out");
  auto until = scheduler.deadline(d, first);
  scheduler.stall(d, std::move(first), until);
  CHECK(tell("dead.example") == 0);
  advance(0s);
  CHECK(d.ready() == 0);
  CHECK(d.stalled() == 10'000);
  CHECK(d.reason() == "connect: timed out");
  CHECK_FALSE(scheduler.take(d));
  const auto look_ups = store.look_ups;
  for (unsigned probe = 1; probe <= 20; ++probe) {
    woken.clear();
    advance(9min + 59s);
    CHECK(woken.empty());
    advance(1s);
    REQUIRE(woken == std::vector<std::string>{"dead.example"});
    CHECK(d.has_work(clock.now()));
    auto job = take("dead.example");
    CHECK_FALSE(d.has_work(clock.now()));
    CHECK_FALSE(scheduler.take(d));
    scheduler.down(d, in(10min), "again");
    CHECK(d.failures() == probe + 1);
    ++job.attempts;
    until = scheduler.deadline(d, job);
    scheduler.stall(d, std::move(job), until);
    CHECK(store.look_ups == look_ups + probe);
  }
}

TEST_CASE_METHOD(down_scene, "when it answers again all that was stalled goes") {
  std::set<queue_id> all;
  for (int i = 0; i < 3000; ++i) all.insert(add_tried("far.example"));
  auto& d = at("far.example");
  scheduler.down(d, in(10min), "x");
  tell("far.example");
  advance(11min);
  const auto probe = take("far.example");
  scheduler.finished(d, probe);
  all.erase(probe.message->id);
  woken.clear();
  scheduler.up(d);
  CHECK(woken.size() == 1);
  CHECK(d.failures() == 0);
  CHECK(d.reason().empty());
  // What comes now does not wait behind the old ones.
  const auto fresh = message(1, "fresh@elsewhere.example");
  scheduler.add(hop("far.example"), cold(fresh));
  int position = 0, taken = 0;
  while (d.has_work(clock.now())) {
    const auto job = take("far.example");
    ++taken;
    if (job.message->id == fresh)
      position = taken;
    else
      CHECK(all.erase(job.message->id) == 1);
    scheduler.finished(d, job);
  }
  CHECK(all.empty());
  CHECK(position <= 2);
  CHECK(scheduler.jobs() == 0);
  scheduler.release(d);
  CHECK(scheduler.find(hop("far.example")) == nullptr);
}

TEST_CASE_METHOD(down_scene, "a fresh job for a dead destination is handed out once") {
  add_tried("dead.example");
  auto& d = at("dead.example");
  scheduler.down(d, in(10min), "x");
  tell("dead.example");
  advance(1s);
  woken.clear();
  const auto id = message();
  scheduler.add(hop("dead.example"), hot(id));
  CHECK(woken.size() == 1);
  CHECK(d.has_overdue());
  auto job = scheduler.take_overdue(d);
  REQUIRE(job);
  CHECK(job->message->id == id);
  job->attempts = 1;
  const auto until = scheduler.deadline(d, *job);
  scheduler.stall(d, std::move(*job), until);
  CHECK_FALSE(scheduler.take_overdue(d));
  woken.clear();
  const auto look_ups = store.look_ups;
  add_tried("dead.example");  // knows it already
  CHECK(woken.empty());
  CHECK_FALSE(scheduler.take_overdue(d));
  CHECK(store.look_ups == look_ups);
  CHECK(d.stalled() == 3);
}

TEST_CASE_METHOD(down_scene, "deadlines wake at their time and not before") {
  add_tried("dead.example");
  auto& d = at("dead.example");
  scheduler.down(d, in(1000h), "x");
  tell("dead.example");
  advance(0s);
  woken.clear();
  advance(4h - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
  CHECK(d.has_overdue());
  CHECK(tell("dead.example") == 1);  // the warning
  woken.clear();
  advance(116h - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
  const auto job = scheduler.take_overdue(d);
  REQUIRE(job);
  CHECK(job->warnings == 1);
  scheduler.finished(d, *job);
}

TEST_CASE_METHOD(down_scene, "a report lives for its own time and is not warned about") {
  const auto id = message(1, "");
  auto job = cold(id);
  job.attempts = 1;
  scheduler.add(hop("dead.example"), std::move(job));
  auto& d = at("dead.example");
  scheduler.down(d, in(1000h), "x");
  tell("dead.example");
  advance(0s);
  woken.clear();
  advance(24h - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
}

TEST_CASE_METHOD(down_scene,
                 "what becomes due at a dead destination is stalled until its deadline") {
  add_tried("dead.example");
  add_tried("dead.example", 1h);
  add_tried("dead.example", 2h);
  auto& d = at("dead.example");
  CHECK(d.waiting() == 2);
  scheduler.down(d, in(10h), "x");
  tell("dead.example");
  woken.clear();
  advance(90min);
  CHECK(d.stalled() == 2);
  CHECK(d.waiting() == 1);
  advance(1h);
  CHECK(d.stalled() == 3);
  CHECK(woken.empty());
}

TEST_CASE_METHOD(down_scene, "a probe that proves nothing is followed by another") {
  add_tried("dead.example");
  add_tried("dead.example");
  auto& d = at("dead.example");
  scheduler.down(d, in(10min), "x");
  tell("dead.example");
  advance(10min);
  auto probe = take("dead.example");
  woken.clear();
  scheduler.postpone(d, std::move(probe), in(1h));  // its content could not be read, say
  CHECK(woken.empty());                             // down() might follow at once
  advance(0s);
  CHECK(woken.size() == 1);
  CHECK(d.has_work(clock.now()));
}

TEST_CASE_METHOD(down_scene, "a probe of a message that has gone is another message") {
  const auto gone = add_tried("dead.example");
  const auto held = add_tried("dead.example");
  const auto there = add_tried("dead.example");
  auto& d = at("dead.example");
  scheduler.down(d, in(10min), "x");
  tell("dead.example");
  advance(10min);
  store.all.erase(gone);
  store.all.at(held).is_held = true;
  CHECK(take("dead.example").message->id == there);
  CHECK(scheduler.jobs() == 1);
}

TEST_CASE_METHOD(down_scene, "sessions that fail together are one failure") {
  for (int i = 0; i < 20; ++i) add_tried("far.example");
  auto& d = at("far.example");
  std::vector<delivery_job> under_way;
  for (int i = 0; i < 20; ++i) under_way.push_back(take("far.example"));
  for (int i = 0; i < 20; ++i) {
    scheduler.down(d, in(std::chrono::minutes(10 + i)), "x");
    scheduler.stall(d, std::move(under_way[static_cast<std::size_t>(i)]), in(5h));
  }
  CHECK(d.failures() == 1);
  CHECK(d.until() == in(10min));
}

TEST_CASE_METHOD(down_scene, "a pause has no probe and ends by itself") {
  for (int i = 0; i < 3; ++i) add_tried("slow.example");
  auto& d = at("slow.example");
  scheduler.pause(d, in(1min), "messages: 3/min");
  tell("slow.example");
  advance(0s);
  woken.clear();
  CHECK(d.state() == destination_state::paused);
  advance(59s);
  CHECK_FALSE(scheduler.take(d));
  scheduler.up(d);  // a session that was under way
  CHECK(d.state() == destination_state::paused);
  CHECK(woken.empty());
  advance(1s);
  CHECK(woken.size() == 1);
  CHECK(d.state() == destination_state::open);
  CHECK(d.ready() == 3);
}

TEST_CASE_METHOD(down_scene, "a pause of a failing destination ends with a probe") {
  for (int i = 0; i < 3; ++i) add_tried("slow.example");
  auto& d = at("slow.example");
  scheduler.down(d, in(1min), "x");
  scheduler.pause(d, in(5min), "y");
  tell("slow.example");
  advance(5min);
  CHECK(d.state() == destination_state::down);
  take("slow.example");
  CHECK_FALSE(scheduler.take(d));
  // A pause that is over earlier than the next probe changes nothing.
  scheduler.down(d, in(1h), "x");
  scheduler.pause(d, in(5min), "y");
  CHECK(d.state() == destination_state::down);
  CHECK(d.until() == in(1h));
}

TEST_CASE_METHOD(down_scene, "suspended until it is resumed") {
  scheduler.suspend(hop("far.example"));
  CHECK(scheduler.suspended() == std::vector{hop("far.example")});
  add_tried("far.example");
  const auto fresh = message();
  scheduler.add(hop("far.example"), hot(fresh));
  auto& d = at("far.example");
  CHECK(tell("far.example") == 1);
  CHECK_FALSE(scheduler.take(d));
  scheduler.down(d, in(1min), "a session that was under way");
  scheduler.pause(d, in(1min), "another");
  scheduler.up(d);
  advance(1h);
  CHECK(d.state() == destination_state::suspended);
  woken.clear();
  scheduler.resume(hop("far.example"));
  advance(0s);
  CHECK(woken.size() == 1);
  CHECK(scheduler.suspended().empty());
  CHECK(d.ready() == 2);
  // Without work it is forgotten, but not before it is resumed.
  scheduler.suspend(hop("idle.example"));
  scheduler.release(at("idle.example"));
  CHECK(scheduler.suspended().size() == 1);
  scheduler.resume(hop("idle.example"));
  CHECK(scheduler.find(hop("idle.example")) == nullptr);
}

TEST_CASE_METHOD(down_scene, "a dead destination without mail is remembered until its probe") {
  add_tried("dead.example");
  auto& d = at("dead.example");
  const auto job = take("dead.example");
  scheduler.down(d, in(10min), "x");
  scheduler.finished(d, job);
  scheduler.release(d);
  CHECK(scheduler.find(hop("dead.example")) != nullptr);
  advance(9min);
  CHECK(scheduler.find(hop("dead.example")) != nullptr);
  advance(1min);
  CHECK(scheduler.find(hop("dead.example")) == nullptr);
  CHECK(scheduler.memory() < 1000);
}

TEST_CASE_METHOD(down_scene, "a fallback takes over from a primary that failed three times") {
  std::set<queue_id> all;
  for (int i = 0; i < 100; ++i) all.insert(add_tried("primary.example"));
  auto& d = at("primary.example");
  for (int failures = 1; failures <= 3; ++failures) {
    if (failures > 1) advance(10min);
    auto job = take("primary.example");
    CHECK_FALSE(scheduler.wants_fallback(d, job));
    scheduler.down(d, in(10min), "x");
    if (failures < 3) {
      const auto until = scheduler.deadline(d, job);
      scheduler.stall(d, std::move(job), until);
      CHECK(tell("primary.example") == 0);
    } else {
      CHECK(scheduler.wants_fallback(d, job));
      all.erase(job.message->id);
      scheduler.finished(d, job);
    }
  }
  woken.clear();
  advance(0s);
  CHECK(woken.size() == 1);
  CHECK(d.has_overdue());
  while (auto job = scheduler.take_overdue(d)) {
    CHECK(scheduler.wants_fallback(d, *job));
    CHECK(all.erase(job->message->id) == 1);
    scheduler.finished(d, *job);
  }
  CHECK(all.empty());
  // Also who has not been told, and who comes when it is known.
  add_tried("primary.example");
  CHECK(scheduler.take_overdue(d));
}

TEST_CASE_METHOD(down_scene, "a fallback takes over by age") {
  add_tried("primary.example");
  auto& d = at("primary.example");
  scheduler.down(d, in(1000h), "x");
  tell("primary.example");
  advance(4h);
  CHECK(tell("primary.example") == 1);
  woken.clear();
  advance(8h - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
  const auto job = scheduler.take_overdue(d);
  REQUIRE(job);
  CHECK(scheduler.wants_fallback(d, *job));
}

TEST_CASE_METHOD(down_scene, "what was stalled is not forgotten however much comes fresh") {
  for (int i = 0; i < 5000; ++i) add_tried("far.example");
  auto& d = at("far.example");
  scheduler.down(d, in(10min), "x");
  tell("far.example");
  scheduler.up(d);
  for (int i = 0; i < 5000; ++i) {
    add_tried("far.example");
    add_tried("far.example");
    scheduler.finished(d, take("far.example"));
  }
  CHECK(d.stalled() == 0);
  CHECK(d.ready() == 10'000);
}

TEST_CASE_METHOD(down_scene, "delivery may give an earlier deadline than the schedule's") {
  add_tried("dead.example");
  auto& d = at("dead.example");
  auto job = take("dead.example");
  scheduler.down(d, in(1000h), "x");
  scheduler.stall(d, std::move(job), in(17min));  // DELIVERBY, say
  woken.clear();
  advance(17min - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
  CHECK(scheduler.take_overdue(d));
}

TEST_CASE_METHOD(down_scene, "a job whose deadline has passed is not handed out in a loop") {
  add_tried("dead.example");
  auto& d = at("dead.example");
  scheduler.down(d, in(1000h), "x");
  tell("dead.example");
  advance(4h);
  for (int i = 0; i < 3; ++i) {
    auto job = scheduler.take_overdue(d);
    REQUIRE(job);
    scheduler.stall(d, std::move(*job), clock.now());
    CHECK_FALSE(scheduler.take_overdue(d));
    advance(1s);
  }
}

}  // namespace
}  // namespace relais::queue
