// Who goes first, end to end: destinations and senders get their turns, connections are as many as
// a peer bears.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : delivery_scene {
  explicit scene(std::uint64_t seed = 1) : delivery_scene(seed) {
    dns.zone["far.test"].mx.resize(1);
    world.slowest_packet = 5ms;
  }
};

TEST_CASE("destinations that wait for the one connection take turns") {
  scene s;
  s.settings.delivery.concurrency = 1;
  s.workers = GENERATE(1u, 3u);
  for (const auto* name : {"b.test", "c.test"}) s.dns.add_mx(name, 1, "mx1.far.test");
  s.first->thinking_time = 100ms;
  for (int i = 0; i < 200; ++i) s.submit(scene::letter("me@here.test", "joe@far.test"));
  for (int i = 0; i < 200; ++i) s.submit(scene::letter("me@here.test", "joe@b.test"));
  for (int i = 0; i < 200; ++i) s.submit(scene::letter("me@here.test", "joe@c.test"));
  // Behind the first turns, when all are known to answer, and before the first has no more.
  REQUIRE(s.until([&] { return s.first->taken.size() == 400; }, 1h));
  std::map<std::string, int> served;
  for (std::size_t i = 130; i < 370; ++i) ++served[s.first->taken[i].forward_paths.front()];
  for (const auto* to : {"joe@far.test", "joe@b.test", "joe@c.test"}) {
    INFO(to);
    // Several workers take turns first, then the destinations of each.
    CHECK(served[to] >= (s.workers == 1 ? 60 : 35));
    CHECK(served[to] <= (s.workers == 1 ? 100 : 140));
  }
  REQUIRE(s.until([&] { return s.first->taken.size() == 600; }, 1h));
}

TEST_CASE("a session makes room for a destination that waits") {
  scene s;
  s.settings.delivery.concurrency = 1;
  s.dns.add_mx("b.test", 1, "mx1.far.test");
  s.first->thinking_time = 100ms;
  for (int i = 0; i < 90; ++i) s.submit(scene::letter());
  s.run(500ms);
  s.submit(scene::letter("me@here.test", "joe@b.test"));
  const auto is_there = [&] {
    return std::ranges::any_of(s.first->taken,
                               [](const auto& m) { return m.forward_paths[0] == "joe@b.test"; });
  };
  REQUIRE(s.until(is_there, 1min));
  CHECK(s.first->taken.size() <= 60);  // of 90, in turns of sixteen
}

TEST_CASE("one message does not wait for the thousands of another sender") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 1;
  s.first->thinking_time = 100ms;
  for (int i = 0; i < 2000; ++i) s.submit(scene::letter("bulk@here.test", "joe@far.test"));
  s.run(10s);
  const auto before = s.first->taken.size();
  CHECK(before < 200);
  s.submit(scene::letter("once@other.test", "joe@far.test"));
  const auto is_there = [&] {
    return std::ranges::any_of(s.first->taken,
                               [](const auto& m) { return m.reverse_path == "once@other.test"; });
  };
  REQUIRE(s.until(is_there, 10s));
  CHECK(s.first->taken.size() <= before + 10);
}

TEST_CASE("a message of high priority goes before those that wait") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 1;
  s.first->thinking_time = 100ms;
  for (int i = 0; i < 500; ++i) {
    s.submit(scene::letter("s" + std::to_string(i) + "@here.test", "joe@far.test"));
  }
  s.run(5s);
  const auto before = s.first->taken.size();
  auto e = scene::letter("s1@here.test", "joe@far.test");
  e.priority = 4;
  s.submit(e);
  const auto is_there = [&] {
    return std::ranges::any_of(s.first->taken, [](const auto& m) { return m.mail.priority == 4; });
  };
  REQUIRE(s.until(is_there, 10s));
  CHECK(s.first->taken.size() <= before + 5);
}

TEST_CASE("sessions grow to the ceiling while a peer takes them") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 7;
  s.first->thinking_time = 1s;
  for (int i = 0; i < 400; ++i) s.submit(scene::letter());
  s.run(1s);
  CHECK(s.first->open_at_most <= 2);
  REQUIRE(s.until([&] { return s.first->taken.size() == 400; }, 1h));
  CHECK(s.first->open_at_most == 7);
}

TEST_CASE("a peer that answers 421 beyond some connections gets no more than these") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 20;
  s.first->connections_at_a_time = 3;
  s.first->thinking_time = 1s;
  for (int i = 0; i < 600; ++i) s.submit(scene::letter());
  REQUIRE(s.until([&] { return s.first->taken.size() == 600; }, 1h));
  s.run(10s);
  CHECK(s.first->open_at_most == 3);
  CHECK(s.log.count("status=deferred") == 0);
  CHECK(s.log.count("status=sent") == 600);
  // It is not knocked at all the time.
  CHECK(s.first->connections < 30);
}

TEST_CASE("all workers together keep to the number of connections") {
  scene s;
  s.workers = 3;
  s.settings.delivery.concurrency = 4;
  s.settings.delivery.concurrency_per_destination = 3;
  s.settings.delivery.concurrency_per_host = 100;
  s.first->thinking_time = 500ms;
  for (int d = 0; d < 12; ++d) {
    const auto name = "d" + std::to_string(d) + ".test";
    s.dns.add_mx(name, 1, "mx1.far.test");
    for (std::size_t i = 0; i < 20; ++i) {
      s.submit(scene::letter("me@here.test", "joe@" + name), "Subject: x\r\n\r\nx\r\n", i % 3);
    }
  }
  REQUIRE(s.until([&] { return s.first->taken.size() == 240; }, 1h));
  s.run(10s);
  CHECK(s.left() == 0);
  CHECK(s.log.count("status=deferred") == 0);
}

TEST_CASE("a pace holds over a burst and over idle times") {
  scene s;
  s.settings.routes.resize(1);
  auto& row = s.settings.routes.front();
  row.recipients = {"far.test"};
  row.messages = 60;
  row.rate_window = 1min;
  for (int i = 0; i < 100; ++i) s.submit(scene::letter());
  s.run(10s);
  CHECK(s.first->taken.size() >= 10);
  CHECK(s.first->taken.size() <= 20);
  s.run(50s);
  CHECK(s.first->taken.size() >= 55);
  CHECK(s.first->taken.size() <= 70);
  s.run(2min);
  CHECK(s.first->taken.size() == 100);
  CHECK(s.log.count("status=deferred") == 0);
}

}  // namespace
}  // namespace relais::testing
