// Idle sessions: whose they may be, for how long they are kept, and who has one more.
#include <catch2/catch.hpp>

#include "session/connections_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("an idle session of the next hop is used again without asking the DNS") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  CHECK_FALSE(s.pool->has_idle(s.hop("b@far.test")));
  CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  CHECK(s.pool->has_idle(s.hop("b@far.test")));
  const auto asked = s.dns.asked.size();
  const auto again = s.reach("c@far.test");
  REQUIRE(again.session);
  CHECK(again.is_reused);
  CHECK(again.relay == "mx1.test[192.0.2.1]:25");
  CHECK(again.remote_mta == "mx1.test");
  CHECK(s.dns.asked.size() == asked);
  CHECK(mx.connections == 1);
  CHECK_FALSE(s.pool->has_idle(s.hop("b@far.test")));
}

TEST_CASE("who wants a fresh session gets one and the idle one stays") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  s.visit("b@far.test");
  delivery::reached got;
  s.tasks.spawn("fresh", [](connections_scene& scene, delivery::reached& to) -> net::task<void> {
    to = co_await scene.pool->reach(scene.hop("b@far.test"), nullptr, true);
  }(s, got));
  s.pass(1s);
  REQUIRE(got.session);
  CHECK_FALSE(got.is_reused);
  CHECK(mx.connections == 2);
  CHECK(s.pool->has_idle(s.hop("b@far.test")));
}

TEST_CASE("next hops that share a host share its idle sessions") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  s.dns.add_mx("other.test", 5, "mx1.test");
  s.visit("b@far.test");
  const auto other = s.reach("b@other.test");
  REQUIRE(other.session);
  CHECK(other.is_reused);
  CHECK(mx.connections == 1);
}

TEST_CASE("a session is never used for another kind of connection") {
  struct row {
    std::string name, routes;
    std::size_t connections;
  };
  const auto r = GENERATE(values<row>({
      {"the same", "{recipients: [b.test], next_hops: [\"[mx1.test]\"]}", 1},
      {"another TLS level", "{recipients: [b.test], next_hops: [\"[mx1.test]\"], tls: none}", 2},
      {"another hello", "{recipients: [b.test], next_hops: [\"[mx1.test]\"], hello: b.test}", 2},
      {"another source",
       "{recipients: [b.test], next_hops: [\"[mx1.test]\"], source_ipv4: 198.51.100.2}", 2},
      {"LMTP", "{recipients: [b.test], next_hops: [\"[mx1.test]:25\"], protocol: lmtp}", 2},
      {"another port", "{recipients: [b.test], next_hops: [\"[mx1.test]:2525\"]}", 1},
  }));
  DYNAMIC_SECTION(r.name) {
    connections_scene s("routes: [{recipients: [a.test], next_hops: [\"[mx1.test]\"]}, " +
                        r.routes + "]");
    auto& mx = s.add("192.0.2.1");
    auto& other_port = s.add_at(endpoint{*ip_address::parse("192.0.2.1"), 2525});
    CHECK_FALSE(s.visit("x@a.test").empty());
    CHECK_FALSE(s.visit("x@b.test").empty());
    CHECK(mx.connections == r.connections);
    CHECK(other_port.connections == (r.name == "another port" ? 1u : 0u));
  }
}

TEST_CASE("an idle session says QUIT when its time is over") {
  connections_scene s("delivery: {idle_timeout: 5s}");
  auto& mx = s.add("192.0.2.1", "far.test");
  s.visit("b@far.test");
  s.pass(4900ms);
  CHECK(mx.count("QUIT") == 0);
  CHECK(s.pool->size() == 1);
  s.pass(200ms);
  CHECK(mx.count("QUIT") == 1);
  CHECK(mx.open == 0);
  CHECK(s.pool->size() == 0);
  CHECK_FALSE(s.pool->has_idle(s.hop("b@far.test")));
  // Its time begins anew with each use.
  s.visit("b@far.test");
  s.pass(4s);
  s.visit("b@far.test");
  s.pass(4s);
  CHECK(mx.open == 1);
  s.pass(2s);
  CHECK(mx.open == 0);
}

TEST_CASE("a peer that went away or spoke while the session was idle is not used again") {
  const bool speaks = GENERATE(false, true);
  CAPTURE(speaks);
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  s.visit("b@far.test");
  if (speaks) {
    mx.say("421 4.4.2 idle for too long");
  } else {
    mx.hang_up();
  }
  s.pass(100ms);
  const auto again = s.reach("b@far.test");
  REQUIRE(again.session);
  CHECK_FALSE(again.is_reused);
  CHECK(mx.connections == 2);
  s.pass(1s);
  CHECK(s.pool->size() == 1);
}

TEST_CASE("a connection is not used beyond its lifetime") {
  connections_scene s("delivery: {connection_lifetime: 10s, idle_timeout: 8s}");
  auto& mx = s.add("192.0.2.1", "far.test");
  s.visit("b@far.test");
  s.pass(7s);
  s.visit("b@far.test");
  CHECK(mx.connections == 1);
  s.pass(4s);
  s.visit("b@far.test");
  CHECK(mx.connections == 2);
  auto used = s.reach("b@far.test");
  s.pass(10s);
  s.give_back("b@far.test", used);
  CHECK_FALSE(s.pool->has_idle(s.hop("b@far.test")));
}

TEST_CASE("one host has no more sessions than it may have and a worse one is not used instead") {
  std::size_t freed = 0;
  connections_scene s("delivery: {concurrency_per_host: 2}");
  auto& mx = s.add("192.0.2.1", "far.test", 10);
  auto& backup = s.add("192.0.2.2", "far.test", 20);
  s.dns.add_mx("other.test", 5, "mx1.test");
  s.pool->on_free([&] { ++freed; });
  auto first = s.reach("b@far.test");
  auto second = s.reach("b@other.test");
  REQUIRE(first.session);
  REQUIRE(second.session);
  const auto third = s.reach("b@far.test");
  CHECK_FALSE(third.session);
  CHECK(third.is_busy);
  CHECK(mx.connections == 2);
  CHECK(backup.connections == 0);
  CHECK(freed == 0);
  s.give_back("b@other.test", second);
  s.pass(1ms);
  CHECK(freed == 1);
  const auto fourth = s.reach("b@far.test");
  REQUIRE(fourth.session);
  CHECK(fourth.is_reused);
  first.session.reset();
  s.pass(1ms);
  CHECK(freed == 2);
}

TEST_CASE("of equal hosts one with room is used") {
  connections_scene s("delivery: {concurrency_per_host: 1}");
  auto& one = s.add("192.0.2.1", "far.test", 10);
  auto& two = s.add("192.0.2.2", "far.test", 10);
  const auto first = s.reach("b@far.test");
  const auto second = s.reach("b@far.test");
  CHECK(first.session);
  CHECK(second.session);
  CHECK(one.connections == 1);
  CHECK(two.connections == 1);
  CHECK(s.reach("b@far.test").is_busy);
}

TEST_CASE("an idle session of another kind gives way at a host that may have no more") {
  connections_scene s(
      "delivery: {concurrency_per_host: 1}\n"
      "routes: [{recipients: [a.test], next_hops: [\"[mx1.test]\"]}, "
      "{recipients: [b.test], next_hops: [\"[mx1.test]\"], hello: b.test}]");
  auto& mx = s.add("192.0.2.1");
  s.visit("x@a.test");
  CHECK(s.reach("x@b.test").is_busy);
  s.pass(100ms);
  CHECK(mx.count("QUIT") == 1);
  CHECK(s.reach("x@b.test").session);
}

TEST_CASE("idle sessions give way to others when there are too many in all") {
  connections_scene s("delivery: {concurrency: 2}");
  auto& one = s.add("192.0.2.1", "one.test");
  auto& two = s.add("192.0.2.2", "two.test");
  s.add("192.0.2.3", "three.test");
  s.visit("b@one.test");
  s.pass(1s);
  s.visit("b@two.test");
  s.visit("b@three.test");
  s.pass(100ms);
  CHECK(one.open == 0);
  CHECK(two.open == 1);
}

TEST_CASE("after drain() idle sessions are gone and none is kept") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  auto in_use = s.reach("b@far.test");
  s.visit("b@far.test");
  CHECK(mx.open == 2);
  s.pool->drain();
  s.pass(100ms);
  CHECK(mx.open == 1);
  s.give_back("b@far.test", in_use);
  s.pass(100ms);
  CHECK(mx.open == 0);
  CHECK(s.pool->size() == 0);
}

TEST_CASE("operators see hosts with their sessions and why they are not used") {
  connections_scene s;
  s.add("192.0.2.1", "far.test");
  s.dns.add_mx("down.test", 5, "mx.down.test");
  s.dns.add_address("mx.down.test", "192.0.2.9");
  const auto in_use = s.reach("b@far.test");
  s.visit("b@far.test");
  CHECK_FALSE(s.reach("b@down.test").session);
  std::vector<std::string> seen;
  s.pool->visit_hosts([&](const delivery::connections::host_view& h) {
    seen.push_back(h.text + ' ' + std::to_string(h.sessions) + '/' + std::to_string(h.idle) +
                   (h.is_dead ? " dead: " + h.reason : ""));
  });
  CHECK(seen == std::vector<std::string>{
                    "mx1.test[192.0.2.1]:25 2/1",
                    "mx.down.test[192.0.2.9]:25 0/0 dead: connect to mx.down.test[192.0.2.9]:25: "
                    "Connection refused"});
}

TEST_CASE("each idle session has a time of its own") {
  connections_scene s("delivery: {idle_timeout: 5s}");
  s.add("192.0.2.1", "a.test");
  s.add("192.0.2.2", "b.test");
  s.visit("x@a.test");
  s.pass(3s);
  s.visit("x@b.test");
  s.pass(3s);
  CHECK(s.pool->size() == 1);
  s.pass(3s);
  CHECK(s.pool->size() == 0);
}

TEST_CASE("of two idle sessions the one that was used last is used again") {
  connections_scene s("delivery: {idle_timeout: 1m}");
  s.add("192.0.2.1", "far.test");
  auto first = s.reach("b@far.test");
  auto second = s.reach("b@far.test");
  REQUIRE((first.session && second.session));
  const auto* const last = second.session.get();
  s.give_back("b@far.test", first);
  s.pass(1s);
  s.give_back("b@far.test", second);
  CHECK(s.reach("b@far.test").session.get() == last);
}

TEST_CASE("no more sessions are idle than may be open in all") {
  connections_scene s("delivery: {concurrency: 1}");
  s.add("192.0.2.1", "a.test");
  s.add("192.0.2.2", "b.test");
  auto first = s.reach("x@a.test");
  auto second = s.reach("x@b.test");
  s.give_back("x@a.test", first);
  s.give_back("x@b.test", second);
  s.pass(1s);
  CHECK(s.pool->size() == 1);
}

TEST_CASE("a session is not used again behind the peer's last MAIL") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  mx.keywords.emplace_back("LIMITS MAILMAX=1");
  auto got = s.reach("b@far.test");
  REQUIRE(got.session);
  message_in_hand m({"b@far.test"});
  s.send(*got.session, m);
  s.give_back("b@far.test", got);
  CHECK(s.reach("b@far.test").session);
  CHECK(mx.connections == 2);
}

}  // namespace
}  // namespace relais::testing
