// Destinations that do not answer: one probe per interval whatever waits, a slow start when they
// answer again, and nobody else who waits for them.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : delivery_scene {
  explicit scene(std::uint64_t seed = 1) : delivery_scene(seed) {
    dns.zone["far.test"].mx.resize(1);  // one host
    settings.retry.intervals = {10min};
    settings.retry.queue_lifetime = 48h;
    settings.delivery.host_retry = 1min;
    world.slowest_packet = 5ms;
  }
  void submit_many(std::size_t count, const std::string& to = "joe@far.test") {
    for (std::size_t i = 0; i < count; ++i) {
      submit(letter("s" + std::to_string(i % 7) + "@here.test", to));
    }
  }
};

std::size_t visits_since(const scripted_mta& mta, steady_time begin) {
  return static_cast<std::size_t>(
      std::ranges::count_if(mta.visits, [&](steady_time t) { return t >= begin; }));
}

TEST_CASE("a dead destination costs one probe per interval whatever waits for it") {
  scene s;
  s.first->turns_away = true;
  s.submit_many(5000);
  s.run(1min);
  // Its sessions began side by side; then it is known.
  CHECK(s.first->connections <= 4);
  CHECK(s.log.count("status=deferred") == 5000);
  CHECK(s.log.count("delivery temporarily suspended: ") >= 4990);
  const auto known = s.world.clock.now();
  s.run(5h);
  const auto probes = visits_since(*s.first, known);
  CHECK(probes >= 25);
  CHECK(probes <= 31);
  CHECK(s.log.count("status=deferred") == 5000 + probes);
  CHECK(s.left() == 5000);

  s.first->turns_away = false;
  s.run(30min);
  CHECK(s.first->taken.size() == 5000);
  CHECK(s.left() == 0);
  CHECK(s.log.count(": removed") == 5000);
}

TEST_CASE("what waited for a destination follows by slow start") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 8;
  s.settings.delivery.concurrency_per_host = 100;
  s.first->turns_away = true;
  s.submit_many(300);
  s.run(1min);
  const auto before = s.first->connections;
  s.first->turns_away = false;
  s.first->thinking_time = 1s;
  REQUIRE(s.until([&] { return !s.first->taken.empty(); }, 15min));
  CHECK(s.first->connections == before + 1);  // the probe is alone
  REQUIRE(s.until([&] { return s.first->taken.size() == 300; }, 1h));
  CHECK(s.first->open_at_most > 2);
  CHECK(s.first->open_at_most <= 8);
  // Each time at most about twice as many as before.
  const auto& visits = s.first->visits;
  const auto taken_before = [&](steady_time t) {
    return std::ranges::count_if(s.first->taken, [&](const auto& m) { return m.when <= t; });
  };
  CHECK(taken_before(visits[before + 1]) >= 1);
  CHECK(taken_before(visits[before + 3]) >= 2);
}

TEST_CASE("a new message for a dead destination is told why it waits and costs no connection") {
  scene s;
  s.first->turns_away = true;
  s.submit_many(1);
  s.run(1min);
  const auto before = s.first->connections;
  s.submit(s.letter("late@here.test", "joe@far.test"));
  s.run(1s);
  CHECK(s.first->connections == before);
  CHECK(s.log.count("delivery temporarily suspended: ") == 1);
  REQUIRE(s.destination("far.test") != nullptr);
  CHECK(s.destination("far.test")->stalled() == 2);
}

TEST_CASE("a message that waits for a dead destination goes back when its time is over") {
  scene s;
  s.settings.retry.queue_lifetime = 2h;
  s.first->turns_away = true;
  s.submit_many(20);
  s.run(119min);
  CHECK(s.log.count("status=expired") == 0);
  s.run(15min);
  CHECK(s.log.count("status=expired") == 20);
  CHECK(s.home->taken.size() == 20);
  CHECK(s.left() == 0);
}

TEST_CASE("dead destinations do not keep the slots from those that answer") {
  scene s;
  s.settings.delivery.concurrency = 8;
  s.settings.client_timeout.connect = 5min;
  s.settings.client_timeout.greeting = 5min;
  s.settings.retry.intervals = {1min};
  for (int i = 0; i < 40; ++i) {
    const auto name = "dead" + std::to_string(i) + ".test";
    const auto address = "203.0.113." + std::to_string(i + 1);
    s.dns.add_mx(name, 1, "mx." + name);
    s.dns.add_address("mx." + name, address);
  }
  std::vector<std::unique_ptr<scripted_mta>> holes;
  for (int i = 0; i < 40; ++i) {
    holes.push_back(s.host("203.0.113." + std::to_string(i + 1), "hole.test"));
    holes.back()->silent = 1'000'000;
  }
  s.submit_many(1);
  s.run(1min);  // far.test is known to answer
  for (int i = 0; i < 40; ++i) s.submit_many(1, "x@dead" + std::to_string(i) + ".test");
  s.run(1min);
  for (int i = 0; i < 50; ++i) {
    const auto before = s.first->taken.size();
    s.submit_many(1);
    CHECK(s.until([&] { return s.first->taken.size() == before + 1; }, 5s));
    s.run(1min);
  }
  for (auto& h : holes) h->stop();
  s.run(1min);
}

TEST_CASE("a probe whose message finds no memory has shown that its host answers") {
  scene s;
  s.first->turns_away = true;
  for (int i = 0; i < 10; ++i) s.submit(scene::letter(), std::string(5000, 'x') + "\r\n");
  s.run(1min);
  REQUIRE(s.destination("far.test")->state() == queue::destination_state::down);
  const auto before = s.first->connections;
  s.first->turns_away = false;
  {
    queue::memory_lease all_but_little(s.budget);
    REQUIRE(all_but_little.cover(s.budget.limit() - 1000));
    s.run(30min);
    REQUIRE(s.first->connections > before);
    CHECK(s.destination("far.test")->state() == queue::destination_state::open);
    CHECK(s.first->taken.empty());
    CHECK(s.log.count("status=deferred") == 10);
  }
  s.run(10s);
  CHECK(s.first->taken.size() == 10);
}

TEST_CASE("a probe that has succeeded is a session like others when its connection breaks") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 1;
  s.first->turns_away = true;
  s.submit_many(9);
  s.run(1min);
  s.first->turns_away = false;
  s.first->cuts = {700};  // amid a later message
  REQUIRE(s.until([&] { return !s.first->taken.empty(); }, 15min));
  s.run(30s);
  CHECK(s.first->cuts.empty());
  CHECK(s.destination("far.test")->state() == queue::destination_state::open);
  CHECK(s.first->taken.size() >= 7);
}

TEST_CASE("a fault of our own loses no message") {
  scene s;
  int faults = 1;
  s.dns.before_answering = [&]() -> net::task<void> {
    if (faults-- > 0) throw std::runtime_error("planted");
    co_return;
  };
  s.submit_many(1);
  s.run(1min);
  CHECK(s.log.count("planted") == 1);
  CHECK(s.first->taken.empty());
  s.run(10min);
  CHECK(s.first->taken.size() == 1);
}

TEST_CASE("a probe whose message lacks something of its host has shown that the host answers") {
  scene s;
  s.dns.add_mx("far.test", 2, "mx2.far.test");
  s.first->extensions.remove(smtp::extension::smtputf8);
  s.first->turns_away = s.second->turns_away = true;
  auto e = scene::letter();
  e.smtputf8 = true;
  s.submit(e);
  s.run(1s);
  s.submit_many(5);
  s.run(1min);
  REQUIRE(s.destination("far.test")->state() == queue::destination_state::down);
  s.first->turns_away = false;
  s.run(45min);
  CHECK(s.first->taken.size() == 5);
  CHECK(s.second->taken.empty());
}

TEST_CASE("a probe that fails while another session lives is followed by a pause") {
  scene s;
  s.settings.client_timeout.end_of_data = 5h;
  s.settings.delivery.concurrency_per_destination = 5;
  s.settings.delivery.initial_concurrency = 5;
  s.first->thinking_time = 3h;
  s.submit_many(1);
  s.run(1min);
  s.first->thinking_time = {};
  s.first->cuts.assign(4, 60);
  s.submit_many(4);
  s.run(1min);
  REQUIRE(s.destination("far.test")->state() == queue::destination_state::down);
  s.first->turns_away = true;
  const auto before = s.first->connections;
  s.run(1h);
  CHECK(s.first->connections <= before + 10);
}

TEST_CASE("sessions that break now and then between those that do not are no outage") {
  scene s;
  s.settings.delivery.idle_timeout = 0s;
  s.settings.delivery.concurrency_per_destination = 1;
  for (int i = 0; i < 5; ++i) {
    if (i % 2 == 0) s.first->cuts = {60};
    s.submit_many(1);
    s.run(10s);
  }
  REQUIRE(s.first->connections == 5);
  CHECK(s.first->taken.size() == 2);
  CHECK(s.destination("far.test")->state() == queue::destination_state::open);
}

TEST_CASE("a host that says 421 amid the only session is not asked by the next message") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 1;
  s.first->mail_answers = {smtp::reply_id::too_many_messages};
  s.submit_many(5);
  s.run(1min);
  CHECK(s.first->connections == 1);
  CHECK(s.destination("far.test")->state() == queue::destination_state::down);
}

TEST_CASE("a probe whose last answer is lost is not repeated by the next one") {
  std::size_t length = 0;
  for (const bool is_cut : {false, true}) {
    scene s;
    s.settings.retry.intervals = {1min};
    s.settings.delivery.idle_timeout = 1h;
    s.first->turns_away = true;
    s.submit_many(1);
    s.run(10s);
    s.first->turns_away = false;
    if (is_cut) s.first->cuts = {length};
    s.run(6min);
    length = s.first->octets_heard;
    CHECK(s.first->taken.size() == 1);
    CHECK(s.log.count("may be sent more than once") == (is_cut ? 1 : 0));
    if (is_cut) s.run(10min);
    CHECK(s.first->taken.size() == (is_cut ? 2 : 1));
  }
}

}  // namespace
}  // namespace relais::testing
