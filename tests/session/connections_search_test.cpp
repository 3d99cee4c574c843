// Which hosts of a next hop are tried, in which order, how many at a time, and what is remembered
// of those that could not be used.
#include <catch2/catch.hpp>

#include "session/connections_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using delivery::outcome;

TEST_CASE("a host that cannot be reached is left out until its time is over") {
  connections_scene s("delivery: {host_retry: 10m}");
  s.dns.add_mx("far.test", 5, "down.test");
  s.dns.add_address("down.test", "192.0.2.9");
  s.add("192.0.2.1", "far.test", 10);
  CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  CHECK(s.connects == strings{"192.0.2.9:25", "192.0.2.1:25"});
  s.connects.clear();
  s.pass(1min);
  s.visit("b@far.test");
  CHECK(s.connects == strings{"192.0.2.1:25"});
  s.connects.clear();
  s.pass(9min);
  s.visit("b@far.test");
  CHECK(s.connects == strings{"192.0.2.9:25", "192.0.2.1:25"});
}

TEST_CASE("a host that works again is not dead any more") {
  connections_scene s;
  s.dns.add_mx("far.test", 5, "down.test");
  s.dns.add_address("down.test", "192.0.2.9");
  CHECK_FALSE(s.reach("b@far.test").session);
  s.add_at(endpoint{*ip_address::parse("192.0.2.9"), 25});
  CHECK(s.visit("b@far.test") == "down.test[192.0.2.9]:25");
  s.pass(1min);
  s.connects.clear();
  s.add("192.0.2.1", "far.test", 10);
  CHECK(s.visit("b@far.test") == "down.test[192.0.2.9]:25");
  CHECK(s.connects == strings{"192.0.2.9:25"});
}

TEST_CASE("where all hosts are dead the one whose failure is the longest ago is probed") {
  connections_scene s;
  for (const std::string n : {"7", "8", "9"}) {
    s.dns.add_mx("far.test", static_cast<std::uint16_t>(std::stoi(n)), "down" + n + ".test");
    s.dns.add_address("down" + n + ".test", "192.0.2." + n);
  }
  const auto all = s.reach("b@far.test");
  CHECK(all.why.what == outcome::deferred);
  CHECK(all.why.status == "4.4.1");
  CHECK(s.connects == strings{"192.0.2.7:25", "192.0.2.8:25", "192.0.2.9:25"});
  for (const auto* next : {"192.0.2.7:25", "192.0.2.8:25", "192.0.2.9:25", "192.0.2.7:25"}) {
    s.pass(1s);
    s.connects.clear();
    CHECK_FALSE(s.reach("b@far.test").session);
    CHECK(s.connects == strings{next});
  }
}

TEST_CASE("a dead host gets one probe at a time, whoever asks") {
  connections_scene s;
  s.dns.add_mx("one.test", 5, "down.test");
  s.dns.add_mx("two.test", 5, "down.test");
  s.dns.add_address("down.test", "192.0.2.9");
  s.black_hole("192.0.2.9");
  CHECK(s.reach("b@one.test").why.reason == "connect to down.test[192.0.2.9]:25: timed out");
  bool is_over = false;
  s.tasks.spawn("probe", [](connections_scene& scene, bool& over) -> net::task<void> {
    const auto got = co_await scene.pool->reach(scene.hop("b@one.test"), nullptr);
    over = !got.session;
  }(s, is_over));
  s.pass(1s);
  s.connects.clear();
  const auto began = s.elapsed();
  const auto other = s.reach("b@two.test");
  CHECK(other.why.what == outcome::deferred);
  CHECK_FALSE(other.is_busy);
  CHECK(other.relay == "down.test[192.0.2.9]:25");
  CHECK(s.elapsed() - began < 1s);
  CHECK(s.connects.empty());
  s.pass(1min);
  CHECK(is_over);
}

TEST_CASE("an equal host has its turn when the first one does not answer at once") {
  connections_scene s;
  s.world.random = seeded_random(3);
  auto& good = s.add("192.0.2.1", "far.test", 10);
  s.dns.add_mx("far.test", 10, "hole.test");
  s.dns.add_address("hole.test", "192.0.2.9");
  s.black_hole("192.0.2.9");
  // Whichever is first: at the latest the second time the hole has lost.
  std::size_t raced = 0;
  for (int i = 0; i < 10; ++i) {
    const auto began = s.elapsed();
    const auto before = s.connects.size();
    CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
    if (s.connects.size() - before == 2) ++raced;
    CHECK(s.elapsed() - began < 300ms);
    s.pass(10s);
    CHECK(s.pool->size() == 0);  // the loser is gone
  }
  // Then it is known to be slow, and comes second.
  CHECK(raced == 1);
  CHECK(good.connections == 10);
}

TEST_CASE("families alternate and a worse host waits for its betters") {
  connections_scene s;
  s.dns.add_mx("far.test", 10, "both.test");
  for (const auto* a : {"2001:db8::1", "2001:db8::2", "192.0.2.8"}) {
    s.dns.add_address("both.test", a);
    s.black_hole(a);
  }
  s.add("192.0.2.1", "far.test", 20);
  CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  CHECK(s.connects ==
        strings{"[2001:db8::1]:25", "192.0.2.8:25", "[2001:db8::2]:25", "192.0.2.1:25"});
  CHECK(s.elapsed() >= 60s);
}

TEST_CASE("an attempt connects to two addresses at a time and to so many in all") {
  connections_scene s("delivery: {hosts_per_attempt: 3}");
  for (int i = 1; i <= 6; ++i) {
    const auto n = std::to_string(i);
    s.dns.add_mx("far.test", 10, "hole" + n + ".test");
    s.dns.add_address("hole" + n + ".test", "192.0.2." + n);
    s.black_hole("192.0.2." + n);
  }
  std::vector<duration> begun;
  s.world.on_connect = [&](const endpoint&) { begun.push_back(s.elapsed()); };
  CHECK_FALSE(s.reach("b@far.test").session);
  REQUIRE(begun.size() == 3);
  CHECK(begun[1] - begun[0] >= 250ms);
  CHECK(begun[1] - begun[0] < 260ms);
  CHECK(begun[2] - begun[0] >= 30s);
  CHECK(begun[2] - begun[0] < 31s);
}

TEST_CASE("a session that breaks before it is ready goes to the next host") {
  struct row {
    std::string name;
    void (*spoil)(mail_host&);
    std::string status;  // if there is no other
    bool is_dead;
  };
  const auto r = GENERATE(values<row>({
      {"greeting 421", [](mail_host& h) { h.greeting = "421 4.3.2 busy"; }, "4.3.2", true},
      {"greeting 554", [](mail_host& h) { h.greeting = "554 no"; }, "4.0.0", true},
      {"no greeting", [](mail_host& h) { h.is_silent = true; }, "4.4.2", true},
      {"no answer to EHLO", [](mail_host& h) { h.is_deaf = true; }, "4.4.2", true},
      {"EHLO is refused", [](mail_host& h) { h.hello = "550 5.7.1 not you"; }, "4.7.1", false},
      {"a greeting that is none", [](mail_host& h) { h.greeting = "hello"; }, "4.5.0", true},
  }));
  DYNAMIC_SECTION(r.name) {
    connections_scene s;
    r.spoil(s.add("192.0.2.1", "far.test", 5));
    s.dns.add_mx("only.test", 5, "mx1.test");
    s.add("192.0.2.2", "far.test", 10);
    CHECK(s.visit("b@far.test") == "mx2.test[192.0.2.2]:25");
    s.pass(1min);
    s.connects.clear();
    s.visit("b@far.test");
    CHECK((s.connects == strings{"192.0.2.2:25"}) == r.is_dead);
    connections_scene alone("delivery: {bounce_if_all_refuse: false}");
    r.spoil(alone.add("192.0.2.1", "far.test", 5));
    const auto failed = alone.reach("b@far.test");
    CHECK(failed.why.what == outcome::deferred);
    CHECK(failed.why.status == r.status);
    CHECK(failed.relay == "mx1.test[192.0.2.1]:25");
  }
}

TEST_CASE("a host that has sessions of ours is not dead when it takes no more") {
  connections_scene s;
  auto& mx = s.add("192.0.2.1", "far.test");
  const auto in_use = s.reach("b@far.test");
  mx.greeting = "421 4.7.0 too many connections";
  CHECK_FALSE(s.reach("b@far.test").session);
  std::size_t dead = 0;
  s.pool->visit_hosts([&](const auto& h) { dead += h.is_dead ? 1 : 0; });
  CHECK(dead == 0);
}

TEST_CASE("two sessions are set up per attempt") {
  connections_scene s;
  for (int i = 1; i <= 4; ++i) {
    auto& h = s.add("192.0.2." + std::to_string(i), "far.test", static_cast<std::uint16_t>(i));
    h.greeting = "450 4.3.2 later";
  }
  CHECK_FALSE(s.reach("b@far.test").session);
  CHECK(s.connects == strings{"192.0.2.1:25", "192.0.2.2:25"});
}

TEST_CASE("a 5xx greeting of every host bounces where the configuration says so") {
  struct row {
    std::string name, yaml, second;
    bool is_bounced;
  };
  const auto r = GENERATE(values<row>({
      {"every host", "", "550 5.7.1 we do not know you", true},
      {"all but one", "", "450 4.7.1 later", false},
      {"switched off", "delivery: {bounce_if_all_refuse: false}", "554 no", false},
      {"hosts of our own choice",
       "routes: [{recipients: [far.test], next_hops: [\"[mx1.test]\", \"[mx2.test]\"]}]", "554 no",
       false},
  }));
  DYNAMIC_SECTION(r.name) {
    connections_scene s(r.yaml);
    s.add("192.0.2.1", "far.test", 5).greeting = "554 5.3.2 no mail here";
    s.add("192.0.2.2", "far.test", 10).greeting = r.second;
    const auto got = s.reach("b@far.test");
    CHECK(got.why.what == (r.is_bounced ? outcome::bounced : outcome::deferred));
    CHECK(got.why.status.front() == (r.is_bounced ? '5' : '4'));
    if (r.is_bounced) {
      CHECK(got.why.status == "5.7.1");
      CHECK(got.why.diagnostic == "550 5.7.1 we do not know you");
    }
  }
}

TEST_CASE("hosts that refused in earlier attempts count as well") {
  connections_scene s;
  for (int i = 1; i <= 3; ++i) {
    s.add("192.0.2." + std::to_string(i), "far.test", static_cast<std::uint16_t>(i)).greeting =
        "554 5.3.2 no";
  }
  CHECK(s.reach("b@far.test").why.what == outcome::deferred);
  CHECK(s.reach("b@far.test").why.what == outcome::bounced);
}

TEST_CASE("what the DNS says of the hosts decides") {
  struct row {
    std::string name, yaml;
    void (*zone)(fake_resolver&);
    outcome what;
    std::string status;
  };
  const std::string smarthost = "smarthost: {host: relay.test}";
  const std::string two =
      "routes: [{next_hops: [\"[gone.test], preference 5\", \"[slow.test], preference 9\"]}]";
  const auto r = GENERATE_COPY(values<row>({
      {"no such domain", "", [](fake_resolver&) {}, outcome::bounced, "5.1.2"},
      {"SERVFAIL", "", [](fake_resolver& z) { z.fail("far.test", dns_failure::servfail); },
       outcome::deferred, "4.4.3"},
      {"a private address", "", [](fake_resolver& z) { z.add_address("far.test", "10.0.0.1"); },
       outcome::bounced, "5.4.4"},
      {"ourselves", "", [](fake_resolver& z) { z.add_address("far.test", "198.51.100.1"); },
       outcome::bounced, "5.4.6"},
      {"a smarthost that is not in the DNS waits for its repair", smarthost, [](fake_resolver&) {},
       outcome::deferred, "4.4.4"},
      {"one of our hosts may come back", two,
       [](fake_resolver& z) { z.fail("slow.test", dns_failure::servfail); }, outcome::deferred,
       "4.4.3"},
  }));
  DYNAMIC_SECTION(r.name) {
    connections_scene s(r.yaml);
    r.zone(s.dns);
    const auto got = s.reach("b@far.test");
    CHECK_FALSE(got.session);
    CHECK(got.why.what == r.what);
    CHECK(got.why.status == r.status);
    CHECK(got.relay == "none");
    CHECK(s.connects.empty());
  }
}

TEST_CASE("special networks are for chosen hosts and for those that the configuration allows") {
  struct row {
    std::string yaml;
    bool is_reached;
  };
  const auto r = GENERATE(values<row>({
      {"", false},
      {"delivery: {allowed_special_networks: [10.0.0.0/8]}", true},
      {"smarthost: {host: \"[mx1.test]\"}", true},
      {"smarthost: {host: far.test}", true},
  }));
  CAPTURE(r.yaml);
  connections_scene s(r.yaml);
  s.add("10.0.0.1", "far.test");
  CHECK(s.visit("b@far.test").empty() != r.is_reached);
}

TEST_CASE("hosts of a route are tried by preference and its fallback only where it is meant") {
  connections_scene s(
      "routes: [{next_hops: [\"[mx2.test], preference 20\", \"[mx1.test], preference 10\"], "
      "fallback: [\"[mx3.test]\"], fallback_attempts: 3}]");
  s.add("192.0.2.1");
  s.add("192.0.2.2");
  s.add("192.0.2.3");
  CHECK(s.visit("b@far.test") == "mx1.test[192.0.2.1]:25");
  auto other = s.hop("b@far.test");
  other.is_fallback = true;
  const auto got = s.reach(other, nullptr);
  REQUIRE(got.session);
  CHECK(got.relay == "mx3.test[192.0.2.3]:25");
}

TEST_CASE("a connection comes from the source address of its route and family") {
  connections_scene s(
      "routes: [{recipients: [far.test], source_ipv4: 198.51.100.7, source_ipv6: 2001:db8::7}]");
  auto& v4 = s.add("192.0.2.1", "far.test", 5);
  auto& v6 = s.add("2001:db8:1::1", "far.test", 10);
  auto& other = s.add("192.0.2.2", "other.test");
  s.visit("b@far.test");
  v4.stop();
  s.pass(1min);
  s.visit("b@far.test");
  s.visit("b@other.test");
  REQUIRE(v4.remotes.size() == 1);
  REQUIRE(v6.remotes.size() == 1);
  REQUIRE(other.remotes.size() == 1);
  CHECK(v4.remotes[0].address.text() == "198.51.100.7");
  CHECK(v6.remotes[0].address.text() == "2001:db8::7");
  CHECK(other.remotes[0].address == s.here);
}

TEST_CASE("a UNIX socket that speaks LMTP is a host as any other") {
  connections_scene s("routes: [{next_hops: [\"unix:/run/lmtp\"], protocol: lmtp}]");
  listen_address at;
  at.is = listen_address::kind::local;
  at.name = "/run/lmtp";
  auto& lmtp = s.add_at(at);
  auto got = s.reach("b@far.test");
  REQUIRE(got.session);
  CHECK(got.relay == "unix:/run/lmtp");
  CHECK(got.remote_mta.empty());
  message_in_hand m({"b@far.test", "c@far.test"});
  s.send(*got.session, m);
  REQUIRE(m.out.what.results.size() == 2);
  CHECK(m.out.what.results[1].remote->code() == 250);
  CHECK(lmtp.contents == strings{"Subject: x\n\nx\n.\n"});
  s.give_back("b@far.test", got);
  CHECK(s.reach("d@far.test").is_reused);
  CHECK(lmtp.count("LHLO us.test") == 1);
  CHECK(s.dns.asked.empty());
}

TEST_CASE("a UNIX socket that is not there is a host that is dead") {
  connections_scene s("routes: [{next_hops: [\"unix:/run/lmtp\"], protocol: lmtp}]");
  const auto got = s.reach("b@far.test");
  CHECK(got.why.reason == "connect to unix:/run/lmtp: No such file or directory");
  CHECK(got.why.status == "4.4.1");
}

TEST_CASE("a host that lies about PIPELINING is believed no more") {
  connections_scene s;
  s.world.cuts_writes = false;
  auto& mx = s.add("192.0.2.1", "far.test");
  mx.garbles = true;
  auto got = s.reach("b@far.test");
  message_in_hand first({"b@far.test"});
  s.send(*got.session, first);
  CHECK_FALSE(got.session->is_usable());
  CHECK(mx.most_commands > 1);
  s.give_back("b@far.test", got);
  mx.garbles = false;
  mx.most_commands = 0;
  got = s.reach("b@far.test");
  REQUIRE(got.session);
  message_in_hand second({"b@far.test"});
  s.send(*got.session, second);
  CHECK(second.out.what.results[0].remote->code() == 250);
  CHECK(mx.most_commands == 1);
}

TEST_CASE("a search that is cancelled leaves nothing behind") {
  connections_scene s;
  s.add("192.0.2.1", "far.test").is_silent = true;
  s.dns.add_mx("far.test", 10, "hole.test");
  s.dns.add_address("hole.test", "192.0.2.9");
  s.black_hole("192.0.2.9");
  const auto after = GENERATE(0us, 100us, 1ms, 100ms, 251ms, 400ms, 10s);
  CAPTURE(after.count());
  s.tasks.spawn("reach", [](connections_scene& scene) -> net::task<void> {
    co_await scene.pool->reach(scene.hop("b@far.test"), nullptr);
  }(s));
  s.pass(after);
  const bool is_by_pool = GENERATE(false, true);
  if (is_by_pool) s.pool->stop();
  s.pass(is_by_pool ? 1s : 0s);
  s.pool->visit_hosts([](const auto& h) { CHECK_FALSE(h.is_dead); });
  s.tasks.stop();
  s.pass(1ms);
  CHECK(s.tasks.size() == 0);
  CHECK(s.pool->size() == 0);
  s.pool->visit_hosts([](const auto& h) { CHECK_FALSE(h.is_dead); });
}

}  // namespace
}  // namespace relais::testing
