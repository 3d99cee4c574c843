// Who waits for what he does not get: a place at a host, the turn of a pace, the end of an outage;
// and who is not forgotten meanwhile.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : delivery_scene {
  scene() : delivery_scene(1) {
    dns.zone["far.test"].mx.resize(1);  // one host
    for (const auto* name : {"b.test", "c.test"}) dns.add_mx(name, 1, "mx1.far.test");
    world.slowest_packet = 5ms;
  }
  std::size_t taken_for(const std::string& to) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        first->taken, [&](const auto& m) { return m.forward_paths.front() == to; }));
  }
};

TEST_CASE("who waits for a host has its turn though the one before it has nothing more to do") {
  scene s;
  const bool is_removed = GENERATE(true, false);
  s.settings.delivery.concurrency_per_host = 1;
  s.settings.delivery.idle_timeout = 1h;
  s.first->thinking_time = 1min;
  s.submit(scene::letter());
  s.run(1s);
  // Two sessions find the host full: the destination stands in line once all the same.
  const auto second = s.submit(scene::letter("me@here.test", "joe@b.test"));
  const auto third = s.submit(scene::letter("you@here.test", "joe@b.test"));
  s.run(1s);
  s.submit(scene::letter("me@here.test", "joe@c.test"));
  s.run(1s);
  REQUIRE(s.first->connections == 1);
  if (is_removed) {
    s.schedule().withdraw(0, 1000, {second, third});
  } else {
    s.dns.fail("b.test", dns_failure::servfail);
  }
  s.run(10min);
  CHECK(s.taken_for("joe@far.test") == 1);
  CHECK(s.taken_for("joe@c.test") == 1);
  CHECK(s.taken_for("joe@b.test") == 0);
  CHECK(s.first->connections == 1);
}

TEST_CASE("a pace of few messages holds over idle times that are longer than memory") {
  scene s;
  s.settings.routes.resize(1);
  auto& row = s.settings.routes.front();
  row.recipients = {"far.test"};
  row.messages = 2;
  row.rate_window = 1h;
  s.submit(scene::letter());
  s.run(25min);
  CHECK(s.first->taken.size() == 1);
  s.submit(scene::letter());
  s.run(4min);
  CHECK(s.first->taken.size() == 1);
  s.run(2min);
  CHECK(s.first->taken.size() == 2);
}

TEST_CASE(
    "behind an outage there is one connection first, however many a destination begins with") {
  scene s;
  s.settings.delivery.initial_concurrency = 8;
  s.settings.retry.intervals = {10min};
  s.settings.delivery.host_retry = 1min;
  s.first->turns_away = true;
  for (int i = 0; i < 20; ++i) s.submit(scene::letter());
  s.run(1min);
  s.first->turns_away = false;
  s.first->thinking_time = 1s;
  REQUIRE(s.until([&] { return !s.first->taken.empty(); }, 15min));
  s.run(500ms);
  CHECK(s.first->open_now <= 2);
  REQUIRE(s.until([&] { return s.first->taken.size() == 20; }, 5min));
}

TEST_CASE("another host that is busy for now is waited for by what the first one lacks") {
  scene s;
  s.settings.delivery.concurrency_per_host = 1;
  s.dns.add_mx("far.test", 2, "mx2.far.test");
  s.dns.add_mx("other.test", 1, "mx2.far.test");
  s.second->thinking_time = 1min;
  s.submit(scene::letter("me@here.test", "joe@other.test"));
  s.run(1s);
  s.first->extensions.remove(smtp::extension::smtputf8);
  auto e = scene::letter();
  e.smtputf8 = true;
  s.submit(e);
  s.run(5min);
  CHECK(s.second->taken.size() == 2);
  CHECK(s.log.count("status=deferred") == 0);
  CHECK(s.log.count("status=bounced") == 0);
}

TEST_CASE("a definite no of the DNS is one for all that is ready") {
  scene s;
  for (int i = 0; i < 50; ++i) s.submit(scene::letter("me@here.test", "joe@gone.test"));
  s.run(1min);
  CHECK(s.log.count("status=bounced") == 50);
  CHECK(std::ranges::count(s.dns.asked, "MX gone.test") <= 5);
}

}  // namespace
}  // namespace relais::testing
