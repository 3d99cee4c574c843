// Which ready job goes first: priorities, patience, senders.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "unit/queue/schedule_scene.hpp"

namespace relais::queue {
namespace {

using testing::hash_of_flow;
using testing::schedule_scene;

struct lanes_scene : schedule_scene {
  queue_id add(unsigned flow, int priority = 0) {
    const auto id = message();
    auto job = cold(id);
    job.sender_hash = hash_of_flow(flow);
    job.priority = static_cast<std::int8_t>(priority);
    scheduler.add(hop("far.example"), std::move(job));
    return id;
  }
  /// Delivers the next one.
  queue_id next() {
    auto& d = at("far.example");
    const auto job = scheduler.take(d);
    if (!job) return {};
    scheduler.finished(d, *job);
    return job->message->id;
  }
  std::vector<queue_id> rest() {
    std::vector<queue_id> order;
    for (auto id = next(); id != queue_id(); id = next()) order.push_back(id);
    return order;
  }
};

TEST_CASE_METHOD(lanes_scene, "jobs of one sender go in the order in which they came") {
  std::vector<queue_id> added;
  for (int i = 0; i < 2000; ++i) added.push_back(add(5));
  CHECK(rest() == added);
}

TEST_CASE_METHOD(lanes_scene, "a bulk sender of 10000 delays a single message by one job") {
  for (int i = 0; i < 10'000; ++i) add(1);
  for (int i = 0; i < 10; ++i) next();
  const auto single = add(2);
  const auto first = next(), second = next();
  CHECK((first == single || second == single));
}

TEST_CASE_METHOD(lanes_scene, "fifty senders have equal shares whatever they queue") {
  for (int i = 0; i < 2000; ++i) add(0);
  std::map<queue_id, unsigned> sender;
  for (unsigned flow = 1; flow < 50; ++flow)
    for (int i = 0; i < 10; ++i) sender[add(flow)] = flow;
  std::vector<int> turns(50);
  for (int i = 0; i < 500; ++i) {
    const auto found = sender.find(next());
    ++turns[found == sender.end() ? 0 : found->second];
  }
  CHECK(*std::ranges::min_element(turns) == 10);
  CHECK(*std::ranges::max_element(turns) == 10);
}

TEST_CASE_METHOD(lanes_scene, "higher priorities go first") {
  const auto low = add(1, -4), normal = add(1, 0), high = add(1, 9), also = add(2, 1);
  CHECK(rest() == std::vector{high, also, normal, low});
}

TEST_CASE_METHOD(lanes_scene, "lower priorities are passed over eight times at most") {
  std::set<queue_id> low, normal;
  for (int i = 0; i < 500; ++i) {
    add(1, 5);
    normal.insert(add(2, 0));
    low.insert(add(3, -5));
  }
  int since_low = 0, since_normal = 0, lows = 0, normals = 0;
  for (int i = 0; i < 400; ++i) {
    const auto id = next();
    ++since_low;
    ++since_normal;
    if (low.contains(id)) since_low = 0, ++lows;
    if (normal.contains(id)) since_normal = 0, ++normals;
    REQUIRE(since_low <= 9);
    REQUIRE(since_normal <= 9);
  }
  CHECK(lows < 60);
  CHECK(normals < 60);
}

TEST_CASE_METHOD(lanes_scene, "what is put back goes first among its priority") {
  add(1);
  add(1);
  add(2);
  auto& d = at("far.example");
  auto job = scheduler.take(d);
  REQUIRE(job);
  const auto id = job->message->id;
  const auto since = job->ready_since;
  advance(std::chrono::minutes(1));
  scheduler.put_back(d, std::move(*job));
  job = scheduler.take(d);
  REQUIRE(job);
  CHECK(job->message->id == id);
  CHECK(job->ready_since == since);
}

// Any operation on the lanes against lists that are searched.
TEST_CASE("lanes: random operations agree with a naive model") {
  struct model_flow {
    unsigned flow;
    std::vector<handle> jobs;
  };
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    seeded_random random(seed);
    slab<job_record> jobs;
    ready_lanes lanes(jobs);
    lane_roots roots;
    std::vector<model_flow> model;  // in the order of their turns
    const auto flow_of = [&](unsigned flow) {
      return std::ranges::find(model, flow, &model_flow::flow);
    };
    for (int step = 0; step < 120; ++step) {
      const auto what = random.below(6);
      const auto flow = static_cast<unsigned>(random.below(5));
      const auto found = flow_of(flow);
      if (what < 3) {
        const auto job = jobs.make();
        jobs[job].flow = flow & 63;
        const bool goes_first = what == 2;
        if (goes_first) {
          lanes.push_front(roots, job);
          auto moved = found == model.end() ? model_flow{flow, {}} : *found;
          if (found != model.end()) model.erase(found);
          moved.jobs.insert(moved.jobs.begin(), job);
          model.insert(model.begin(), moved);
        } else {
          lanes.push_back(roots, job);
          if (found == model.end())
            model.push_back({flow, {job}});
          else
            found->jobs.push_back(job);
        }
      } else if (what < 5) {
        const auto popped = lanes.pop(roots);
        if (model.empty()) {
          REQUIRE(popped == no_handle);
          continue;
        }
        auto first = model.front();
        model.erase(model.begin());
        REQUIRE(popped == first.jobs.front());
        first.jobs.erase(first.jobs.begin());
        if (!first.jobs.empty()) model.push_back(first);
        jobs.erase(popped);
      } else if (found != model.end()) {
        const auto which = random.below(found->jobs.size());
        const auto gone = found->jobs[which];
        lanes.erase(roots, gone);
        jobs.erase(gone);
        found->jobs.erase(found->jobs.begin() + static_cast<std::ptrdiff_t>(which));
        if (found->jobs.empty()) model.erase(found);
      }
    }
    while (!model.empty()) {
      REQUIRE(lanes.pop(roots) == model.front().jobs.front());
      auto first = model.front();
      model.erase(model.begin());
      first.jobs.erase(first.jobs.begin());
      if (!first.jobs.empty()) model.push_back(first);
    }
    REQUIRE(lanes.pop(roots) == no_handle);
  }
}

}  // namespace
}  // namespace relais::queue
