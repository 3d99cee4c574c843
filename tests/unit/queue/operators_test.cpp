// The operator's hand on the schedule: piece by piece, while deliveries run.
#include <catch2/catch.hpp>

#include "unit/queue/schedule_scene.hpp"

namespace relais::queue {
namespace {

using namespace std::chrono_literals;
using testing::schedule_scene;

struct operator_scene : schedule_scene {
  std::vector<queue_id> add(int count, const std::string& domain, duration due = 0s) {
    std::vector<queue_id> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(message());
      auto job = cold(ids.back());
      job.attempts = 1;
      job.due = wall_in(due);
      scheduler.add(hop(domain), std::move(job));
    }
    return ids;
  }
  /// All pieces; how many there were.
  int withdraw(const std::unordered_set<queue_id>& ids, std::size_t piece = 1000) {
    int pieces = 0;
    std::uint32_t at = 0;
    do {
      at = scheduler.withdraw(at, piece, ids);
      ++pieces;
    } while (at != 0);
    return pieces;
  }
};

TEST_CASE_METHOD(operator_scene, "a walk in pieces meets each job once while others come and go") {
  const auto lasting = add(3000, "a.example", 1h);
  const auto passing = add(3000, "b.example");
  std::map<queue_id, int> met;
  auto& b = at("b.example");
  std::uint32_t position = 0;
  do {
    position = scheduler.visit(position, 500, [&](const job_view& job) { ++met[job.id]; });
    for (int i = 0; i < 100; ++i) {  // deliveries run
      const auto job = scheduler.take(b);
      REQUIRE(job);
      scheduler.finished(b, *job);
      add(1, "c.example");
    }
  } while (position != 0);
  for (const auto id : lasting) REQUIRE(met[id] == 1);
  for (const auto& [id, times] : met) REQUIRE(times == 1);
}

TEST_CASE_METHOD(operator_scene, "withdrawn jobs leave whatever they wait for") {
  const auto ready = add(3, "a.example"), waiting = add(3, "a.example", 1h);
  add(2, "b.example");
  scheduler.down(at("b.example"), in(1h), "x");
  CHECK_FALSE(scheduler.take_overdue(at("b.example")));
  const auto stalled = add(1, "b.example");
  CHECK(withdraw({ready[1], waiting[1], stalled[0]}, 7) > 100);
  CHECK(scheduler.jobs() == 6);
  CHECK(at("a.example").ready() == 2);
  CHECK(at("a.example").waiting() == 2);
  CHECK(at("b.example").stalled() == 2);
  withdraw({ready[0], ready[2], waiting[0], waiting[2]});
  CHECK(scheduler.find(hop("a.example")) == nullptr);  // nothing to remember
  CHECK(scheduler.jobs() == 2);
}

TEST_CASE_METHOD(operator_scene, "a withdrawn job in hand is dropped when it comes back") {
  for (int way = 0; way < 4; ++way) {
    const auto ids = add(2, "a.example");
    auto& d = at("a.example");
    auto job = scheduler.take(d);
    REQUIRE(job);
    const auto id = job->message->id;
    withdraw({ids.begin(), ids.end()});
    withdraw({ids.begin(), ids.end()});  // two operators
    CHECK(scheduler.is_withdrawn(id));
    CHECK(scheduler.jobs() == 1);
    if (way == 0) scheduler.postpone(d, std::move(*job), in(1h));
    if (way == 1) scheduler.stall(d, std::move(*job), in(1h));
    if (way == 2) scheduler.put_back(d, std::move(*job));
    if (way == 3) scheduler.finished(d, *job);
    CHECK_FALSE(scheduler.is_withdrawn(id));
    CHECK(scheduler.jobs() == 0);
    CHECK(d.ready() + d.waiting() + d.stalled() + d.in_hand() == 0);
    scheduler.release(d);
  }
}

TEST_CASE_METHOD(operator_scene, "what is made of a withdrawn job in hand is dropped as well") {
  const auto ids = add(1, "a.example");
  auto& d = at("a.example");
  auto job = scheduler.take(d);
  REQUIRE(job);
  withdraw({ids.begin(), ids.end()});
  delivery_job part;  // recipients that go in another transaction
  part.message = job->message;
  part.recipients = job->recipients;
  scheduler.put_back(d, std::move(part));
  scheduler.add(hop("b.example"), cold(ids[0]));
  CHECK(scheduler.jobs() == 1);
  scheduler.finished(d, *job);
  CHECK(scheduler.jobs() == 0);
  scheduler.add(hop("a.example"), cold(ids[0]));  // by the operator, from now on
  CHECK(scheduler.jobs() == 1);
}

TEST_CASE_METHOD(operator_scene, "hurried jobs are ready, and a dead destination is probed") {
  add(1000, "a.example", 1h);
  add(10, "dead.example", 1h);
  add(10, "slow.example", 1h);
  scheduler.down(at("dead.example"), in(1h), "x");
  scheduler.pause(at("slow.example"), in(2h), "y");
  woken.clear();
  std::uint32_t position = 0;
  do {
    position = scheduler.hurry(position, 100, nullptr);
  } while (position != 0);
  CHECK(woken.empty());  // once for all, and soon
  advance(0s);
  CHECK(std::set<std::string>(woken.begin(), woken.end()) ==
        std::set<std::string>{"a.example", "dead.example"});
  CHECK(woken.size() == 2);
  CHECK(at("a.example").ready() == 1000);
  CHECK(at("dead.example").has_work(clock.now()));
  CHECK(scheduler.take(at("dead.example")));
  CHECK_FALSE(scheduler.take(at("dead.example")));
  CHECK(at("slow.example").state() == destination_state::paused);
  CHECK(at("slow.example").stalled() == 10);
}

TEST_CASE_METHOD(operator_scene, "destinations are visited in pieces") {
  for (int i = 0; i < 2500; ++i) add(1, "d" + std::to_string(i) + ".example", 1h);
  std::set<std::string> met;
  int pieces = 0;
  std::uint32_t position = 0;
  do {
    position = scheduler.visit_destinations(
        position, 1000, [&](const destination& d) { met.insert(d.hop.domain); });
    ++pieces;
  } while (position != 0);
  CHECK(met.size() == 2500);
  CHECK(pieces >= 3);
}

TEST_CASE_METHOD(operator_scene, "a job that delivery made itself is taken as well") {
  const auto id = message(3);
  delivery_job job;
  job.message = make_queued(store.all.at(id));
  job.recipients = {2};
  job.attempts = 2;
  const auto copy = job;
  add(1, "a.example", 1h);
  scheduler.postpone(at("a.example"), std::move(job), in(1min));
  scheduler.postpone(at("a.example"), copy, in(2min));
  CHECK(scheduler.jobs() == 3);
  CHECK(at("a.example").in_hand() == 0);
  advance(1min);
  const auto taken = scheduler.take(at("a.example"));
  REQUIRE(taken);
  CHECK(taken->recipients == std::vector<std::size_t>{2});
  CHECK(taken->attempts == 2);
}

}  // namespace
}  // namespace relais::queue
