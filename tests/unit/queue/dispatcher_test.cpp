// From messages to jobs: grouping, times, priorities, and which worker gets what.
#include "queue/dispatcher.hpp"

#include <catch2/catch.hpp>

#include "unit/queue/schedule_scene.hpp"

namespace relais::queue {
namespace {

using namespace std::chrono_literals;
using testing::schedule_scene;

struct two_workers {
  schedule_scene one, two;
  std::vector<schedule_of_worker> all{{&one.world, &one.scheduler}, {&two.world, &two.scheduler}};
  dispatcher from_one{0, all, one.routes};
  dispatcher from_two{1, all, one.routes};

  std::size_t run() {
    one.io.restart();
    two.io.restart();
    return one.io.poll() + two.io.poll();
  }
};

struct one_worker : schedule_scene {
  dispatcher entry{0, {{&world, &scheduler}}, routes};

  spool::stored_message& to(std::vector<std::string> addresses) {
    const auto id = message(addresses.size());
    auto& made = store.all.at(id);
    for (std::size_t i = 0; i < addresses.size(); ++i)
      made.envelope.forward_paths[i] = smtp::parse_address(addresses[i]).value();
    return made;
  }
  std::vector<std::size_t> recipients_at(const std::string& domain) {
    auto job = scheduler.take(at(domain));
    REQUIRE(job);
    auto found = job->recipients;
    scheduler.finished(at(domain), *job);
    return found;
  }
};

TEST_CASE_METHOD(one_worker, "recipients of one next hop travel together") {
  const auto& m = to({"a@x.example", "b@Y.example", "c@x.example", "d@y.example", "e@z.example"});
  entry.add(make_queued(m));
  CHECK(scheduler.jobs() == 3);
  CHECK(recipients_at("x.example") == std::vector<std::size_t>{0, 2});
  CHECK(recipients_at("y.example") == std::vector<std::size_t>{1, 3});
  CHECK(recipients_at("z.example") == std::vector<std::size_t>{4});
  CHECK(store.look_ups == 0);  // it is hot
}

TEST_CASE_METHOD(one_worker, "no transaction has more than a hundred recipients") {
  std::vector<std::string> addresses;
  for (int i = 0; i < 250; ++i) addresses.push_back("u" + std::to_string(i) + "@x.example");
  entry.add(make_queued(to(addresses)));
  CHECK(woken.size() == 1);
  std::vector<std::size_t> sizes, all;
  for (int i = 0; i < 3; ++i) {
    const auto part = recipients_at("x.example");
    sizes.push_back(part.size());
    all.insert(all.end(), part.begin(), part.end());
  }
  CHECK(sizes == std::vector<std::size_t>{100, 100, 50});
  for (std::size_t i = 0; i < 250; ++i) REQUIRE(all[i] == i);
}

TEST_CASE_METHOD(one_worker, "FUTURERELEASE holds a message back") {
  auto& m = to({"a@x.example"});
  m.envelope.hold_until = wall_in(1h);
  entry.add(make_queued(m));
  CHECK(at("x.example").waiting() == 1);
  advance(1h - 1ms);
  CHECK(woken.empty());
  advance(1ms);
  CHECK(woken.size() == 1);
  CHECK(recipients_at("x.example").size() == 1);
  // Also behind a restart, and longer than any retry interval.
  auto& old = to({"a@x.example"});
  old.envelope.hold_until = wall_in(100h);
  entry.add(old, 4h);
  advance(99h);
  CHECK(at("x.example").waiting() == 1);
  old.recipients[0].attempts = 1;
  entry.add(old, 4h);
  CHECK(at("x.example").ready() == 1);
}

TEST_CASE_METHOD(one_worker, "what the spool held goes on where it was") {
  auto& m = to({"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"});
  m.recipients[0].status = spool::recipient_status::delivered;
  for (const std::size_t i : {1u, 2u}) {
    m.recipients[i].attempts = 3;
    m.recipients[i].warnings = 1;
    m.recipients[i].next_attempt = wall_in(1h);
  }
  m.recipients[3].next_attempt = wall_in(9000h);  // planned by a clock that ran ahead
  m.recipients[4].status = spool::recipient_status::bounced;
  entry.add(m, 4h);
  CHECK(scheduler.jobs() == 2);
  CHECK(woken.empty());
  advance(1h);
  auto job = scheduler.take(at("x.example"));
  REQUIRE(job);
  CHECK(job->recipients == std::vector<std::size_t>{1, 2});
  CHECK(job->attempts == 3);
  CHECK(job->warnings == 1);
  CHECK(store.look_ups == 1);
  advance(3h);
  CHECK(recipients_at("x.example") == std::vector<std::size_t>{3});
}

TEST_CASE_METHOD(one_worker, "a held message is left where it is") {
  auto& m = to({"a@x.example"});
  m.is_held = true;
  entry.add(m, 4h);
  CHECK(scheduler.jobs() == 0);
}

TEST_CASE_METHOD(one_worker, "an operator's next hop wins over the routes") {
  auto& m = to({"a@x.example", "b@primary.example"});
  m.next_hop = "elsewhere.example";
  entry.add(m, 4h);
  CHECK(scheduler.jobs() == 1);
  auto* there = scheduler.find(*routes.parse("elsewhere.example"));
  REQUIRE(there != nullptr);
  const auto job = scheduler.take(*there);
  REQUIRE(job);
  CHECK(job->recipients.size() == 2);
  CHECK(job->message->next_hop == "elsewhere.example");
  m.next_hop = "no next hop";
  entry.add(make_queued(m));
  CHECK(scheduler.find(hop("x.example")) != nullptr);
  CHECK(scheduler.find(hop("primary.example")) != nullptr);
}

TEST_CASE_METHOD(one_worker, "the fallback of a route gets what failed often or is old") {
  auto fallback = hop("primary.example");
  fallback.is_fallback = true;
  auto& m = to({"a@primary.example", "b@primary.example"});
  m.recipients[0].attempts = 3;
  entry.add(m, 4h);
  REQUIRE(scheduler.find(fallback) != nullptr);
  CHECK(scheduler.find(fallback)->ready() == 1);
  CHECK(at("primary.example").ready() == 1);
  auto job = scheduler.take(at("primary.example"));
  REQUIRE(job);
  job->attempts = 3;
  CHECK(scheduler.wants_fallback(at("primary.example"), *job));
  entry.to_fallback(at("primary.example"), std::move(*job));
  CHECK(at("primary.example").in_hand() == 0);
  CHECK(scheduler.find(fallback)->ready() == 2);
  job = scheduler.take(*scheduler.find(fallback));
  REQUIRE(job);
  CHECK_FALSE(scheduler.wants_fallback(*scheduler.find(fallback), *job));
  advance(13h);
  entry.add(m, 4h);
  CHECK(scheduler.find(fallback)->ready() == 3);
}

TEST_CASE("each destination has one owner whoever hands it work") {
  two_workers w;
  for (int i = 0; i < 200; ++i) {
    const auto id = w.one.message();
    auto m = w.one.store.all.at(id);
    m.envelope.forward_paths[0] =
        smtp::parse_address("a@d" + std::to_string(i % 50) + ".example").value();
    (i % 3 == 0 ? w.from_one : w.from_two).add(make_queued(m));
  }
  w.run();
  CHECK(w.one.scheduler.jobs() + w.two.scheduler.jobs() == 200);
  CHECK(w.one.scheduler.jobs() > 40);
  CHECK(w.two.scheduler.jobs() > 40);
  for (int i = 0; i < 50; ++i) {
    const auto hop = w.one.hop("d" + std::to_string(i) + ".example");
    const auto owner = w.from_one.owner_of(hop);
    CHECK(owner == w.from_two.owner_of(hop));
    const auto* mine = (owner == 0 ? w.one : w.two).scheduler.find(hop);
    REQUIRE(mine != nullptr);
    CHECK(mine->ready() == 4);
    CHECK((owner == 0 ? w.two : w.one).scheduler.find(hop) == nullptr);
  }
}

TEST_CASE("what belongs to another worker is posted to it") {
  two_workers w;
  std::string far;
  for (int i = 0; far.empty(); ++i) {
    const auto domain = "d" + std::to_string(i) + ".example";
    if (w.from_one.owner_of(w.one.hop(domain)) == 1) far = domain;
  }
  auto m = w.one.store.all.at(w.one.message());
  m.envelope.forward_paths[0] = smtp::parse_address("a@" + far).value();
  w.from_one.add(make_queued(m));
  CHECK(w.two.scheduler.jobs() == 0);
  CHECK(w.one.io.poll() == 0);
  w.two.io.restart();
  CHECK(w.two.io.poll() == 1);
  CHECK(w.two.scheduler.jobs() == 1);
  CHECK(w.two.woken == std::vector<std::string>{far});
}

}  // namespace
}  // namespace relais::queue
