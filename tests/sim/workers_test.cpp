// Several workers: mail comes in at each, every destination is owned by one of them, nothing is
// lost or sent twice, over restarts and power cuts too.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

constexpr int domains = 20;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    world.slowest_packet = 20ms;
    relay.workers = 3;
    relay.settings.listeners.clear();
    for (std::uint16_t port = 25; port < 28; ++port) {
      relay.settings.listeners.push_back(
          config::listener{endpoint{simulated_relay::address, port}});
    }
    relay.settings.retry.intervals = {5min};
    for (int i = 0; i < domains; ++i) {
      dns.add_mx("d" + std::to_string(i) + ".test", 10, "mx.far.test");
    }
  }
  /// One session at that worker; each message goes to two domains.
  void submit(std::uint16_t worker, int first, int count) {
    auto& c = sessions.emplace_back();
    c.lines.emplace_back("EHLO c.test\r\n");
    for (int i = first; i < first + count; ++i) {
      const auto name = "m" + std::to_string(i) + "@d";
      c.lines.emplace_back("MAIL FROM:<me@c.test>\r\n");
      for (const int d : {i % domains, (i + 7) % domains}) {
        const auto to = name + std::to_string(d) + ".test";
        c.lines.push_back("RCPT TO:<" + to + ">\r\n");
        wanted.insert(to);
      }
      c.lines.emplace_back("DATA\r\n");
      c.lines.push_back("Subject: " + std::to_string(i) + "\r\n\r\nx\r\n.\r\n");
    }
    c.lines.emplace_back("QUIT\r\n");
    run_client(world, clients, endpoint{simulated_relay::address, std::uint16_t(25 + worker)}, c);
  }
  bool are_over() const {
    for (const auto& c : sessions)
      if (!c.over) return false;
    return true;
  }
  std::map<std::string, int> delivered() const {
    std::map<std::string, int> copies;
    for (const auto& m : remote->taken)
      for (const auto& to : m.forward_paths) ++copies[to];
    return copies;
  }
  void check_all() const {
    const auto copies = delivered();
    CHECK(copies.size() == wanted.size());
    for (const auto& to : wanted) {
      const auto found = copies.find(to);
      INFO(to);
      CHECK((found != copies.end() && found->second == 1));
    }
  }
  std::deque<client_session> sessions;
  std::set<std::string> wanted;
};

TEST_CASE("mail that comes in at any worker leaves by the owner of its destination once") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    scene s(seed);
    s.remote_comes_up();
    s.relay.start();
    for (std::uint16_t w = 0; w < 3; ++w) s.submit(w, 100 * w, 30);
    REQUIRE(s.world.run_until([&] { return s.remote->taken.size() >= 180; }, 1h));
    s.world.run_until([] { return false; }, 1min);
    INFO("seed " << seed);
    CHECK(s.are_over());
    s.check_all();
    CHECK(s.relay.log.count(": removed") == 90);
    CHECK(s.relay.shut_down(1h));
    CHECK(s.relay.spooled().empty());
  }
}

TEST_CASE("what waits over a restart is dealt out to another number of workers") {
  scene s(3);
  s.relay.start();
  for (std::uint16_t w = 0; w < 3; ++w) s.submit(w, 100 * w, 30);
  REQUIRE(s.world.run_until([&] { return s.are_over(); }, 1h));
  s.world.run_until([] { return false; }, 1min);
  CHECK(s.relay.shut_down(1h));
  CHECK(s.relay.spooled().size() == 90);
  s.relay.workers = GENERATE(as<std::size_t>{}, 1, 2, 3);
  s.remote_comes_up();
  s.relay.start();
  REQUIRE(s.world.run_until([&] { return s.remote->taken.size() >= 180; }, 2h));
  s.world.run_until([] { return false; }, 10min);
  s.check_all();
}

TEST_CASE("a stop of several workers ends all of their sessions") {
  scene s(4);
  s.remote_comes_up();
  s.remote->thinking_time = 2s;
  s.relay.start();
  for (std::uint16_t w = 0; w < 3; ++w) s.submit(w, 100 * w, 30);
  REQUIRE(s.world.run_until([&] { return s.are_over(); }, 1h));
  CHECK(s.relay.shut_down(1h));
  CHECK(s.relay.log.count("cut off") == 0);
  const auto before = s.remote->taken.size();
  s.world.run_until([] { return false; }, 1h);
  CHECK(s.remote->taken.size() == before);
  s.relay.start();
  REQUIRE(s.world.run_until([&] { return s.remote->taken.size() >= 180; }, 2h));
  s.world.run_until([] { return false; }, 10min);
  s.check_all();
}

TEST_CASE("a power cut under several workers loses nothing") {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    scene s(seed);
    s.remote_comes_up();
    s.relay.start();
    for (std::uint16_t w = 0; w < 3; ++w) s.submit(w, 100 * w, 20);
    REQUIRE(s.world.run_until([&] { return s.are_over(); }, 1h));
    s.disk.cut_power_after(s.world.random.below(10));
    s.world.run_until([&] { return s.disk.is_off(); }, 1min);
    s.relay.kill();
    s.disk.crash(seed);
    s.relay.start();
    s.world.run_until([] { return false; }, 2h);
    const auto copies = s.delivered();
    INFO("seed " << seed);
    CHECK(copies.size() == s.wanted.size());
    for (const auto& [to, n] : copies) CHECK(n <= 2);
    CHECK(s.relay.shut_down(1h));
    CHECK(s.relay.spooled().empty());
  }
}

}  // namespace
}  // namespace relais::testing
