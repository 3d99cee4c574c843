// Hosts that are late, drip, or turn out to be of no use: how long they are waited for, and what is
// done instead.
#include <catch2/catch.hpp>

#include "session/connections_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using delivery::outcome;

TEST_CASE("who has lost the race gets another turn when the winner is of no use") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    connections_scene s;
    s.world.random = seeded_random(seed);
    s.add("192.0.2.1", "far.test", 10);
    s.add("192.0.2.2", "far.test", 10).greeting = "421 4.3.2 busy";
    s.world.connect_takes[*ip_address::parse("192.0.2.1")] = 400ms;
    CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  }
}

TEST_CASE("a host of which the DNS tells nothing for now may still take the mail") {
  connections_scene s;
  s.add("192.0.2.1", "far.test", 5).greeting = "554 5.3.2 no mail here";
  s.dns.add_mx("far.test", 10, "mx9.test");
  s.dns.fail("mx9.test", dns_failure::servfail);
  CHECK(s.reach("b@far.test").why.what == outcome::deferred);
}

TEST_CASE("a reply that drips in has the time of one reply") {
  connections_scene s("client_timeout: {hello: 5m}");
  auto& mx = s.add("192.0.2.1", "far.test");
  mx.is_deaf = true;
  bool is_over = false;
  s.tasks.spawn("reach", [](connections_scene& scene, bool& over) -> net::task<void> {
    co_await scene.pool->reach(scene.hop("b@far.test"), nullptr);
    over = true;
  }(s, is_over));
  for (int i = 0; i < 4; ++i) {
    s.pass(2min);
    mx.say("250-mx.test still thinks");
  }
  CHECK(is_over);
}

TEST_CASE("a host that greets late is slow") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  mx.is_silent = true;
  s.tasks.spawn("reach", [](connections_scene& scene) -> net::task<void> {
    const auto got = co_await scene.pool->reach(scene.hop("b@far.test"), nullptr);
    CHECK(got.session != nullptr);
  }(s));
  s.pass(11s);
  mx.say("220 mx.test ESMTP");
  s.pass(1s);
  bool is_slow = false;
  s.pool->visit_hosts([&](const auto& h) { is_slow = is_slow || h.is_slow; });
  CHECK(is_slow);
}

}  // namespace
}  // namespace relais::testing
