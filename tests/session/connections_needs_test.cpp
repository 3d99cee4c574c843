// Messages that need what a host does not offer: others are asked, and only a "no" of all is one.
#include <catch2/catch.hpp>

#include "session/connections_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using delivery::outcome;

struct need_scene : connections_scene {
  need_scene() {
    message.envelope.smtputf8 = true;
    need.what = &message.out.what;
    need.not_there = "mx1.test[192.0.2.1]:25";
    need.said = delivery::verdict(outcome::bounced, delivery::blame::host, "5.6.7", "mx1 lacks it");
    add("192.0.2.1", "far.test", 1);
  }
  message_in_hand message{{"b@far.test"}};
  delivery::unmet_need need;
};

TEST_CASE("for a message that needs more the hosts are asked until one offers it") {
  need_scene s;
  auto& without = s.add("192.0.2.2", "far.test", 2);
  auto& with = s.add("192.0.2.3", "far.test", 3);
  with.keywords.emplace_back("SMTPUTF8");
  const auto got = s.reach("b@far.test", &s.need);
  REQUIRE(got.session);
  CHECK(got.relay == "mx3.test[192.0.2.3]:25");
  // Who lacks it is as good as any for others.
  CHECK(without.open == 1);
  CHECK(s.reach("b@far.test").relay == "mx2.test[192.0.2.2]:25");
}

TEST_CASE("an idle session that does not offer what is needed is left where it is") {
  need_scene s;
  CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  auto& with = s.add("192.0.2.3", "far.test", 3);
  with.keywords.emplace_back("SMTPUTF8");
  CHECK(s.reach("b@far.test", &s.need).relay == "mx2.test[192.0.2.3]:25");
  CHECK(s.pool->has_idle(s.hop("b@far.test")));
}

TEST_CASE("what no host offers is bounced and what some could not be asked for is deferred") {
  need_scene s;
  SECTION("there is no other host") {
    const auto got = s.reach("b@far.test", &s.need);
    CHECK(got.why.what == outcome::bounced);
    CHECK(got.why.reason == "mx1 lacks it");
  }
  SECTION("four others lack it, too") {
    for (int i = 2; i <= 5; ++i) {
      s.add("192.0.2." + std::to_string(i), "far.test", static_cast<std::uint16_t>(i));
    }
    const auto got = s.reach("b@far.test", &s.need);
    CHECK(got.why.what == outcome::bounced);
    CHECK(got.relay == "mx5.test[192.0.2.5]:25");
  }
  SECTION("one is down now, one is known to be") {
    s.add("192.0.2.2", "far.test", 2);
    s.dns.add_mx("far.test", 3, "down.test");
    s.dns.add_address("down.test", "192.0.2.9");
    CHECK(s.reach("b@far.test", &s.need).why.what == outcome::deferred);
    s.pass(1min);
    s.connects.clear();
    CHECK(s.reach("b@far.test", &s.need).why.what == outcome::deferred);
    CHECK(s.connects == strings{"192.0.2.2:25"});
  }
  SECTION("one could not be looked up") {
    s.dns.add_mx("far.test", 3, "slow.test");
    s.dns.fail("slow.test", dns_failure::servfail);
    CHECK(s.reach("b@far.test", &s.need).why.what == outcome::deferred);
  }
}

}  // namespace
}  // namespace relais::testing
