// The queue under trouble, in the simulated world: a clock that jumps, memory that is spent, a
// recipient named twice, a next hop that comes back.
#include <catch2/catch.hpp>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    dns.add_mx("c.test", 10, "mx.far.test");
    relay.settings.retry.intervals = {10min};
  }
  void send(client_session& client) {
    run_client(world, clients, endpoint{simulated_relay::address, 25}, client);
    world.run_until([&] { return client.over; }, 1min);
    REQUIRE(client.over);
  }
};

client_session one_message(const std::string& body, const std::string& extra_recipient = {}) {
  client_session c;
  c.lines = {"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n", "RCPT TO:<you@far.test>\r\n"};
  if (!extra_recipient.empty()) c.lines.push_back(extra_recipient);
  c.lines.insert(c.lines.end(), {"DATA\r\n", body + "\r\n.\r\n", "QUIT\r\n"});
  return c;
}

TEST_CASE("a wall clock that jumps by a month does not end the lifetime of what waits") {
  scene s(1);
  s.relay.start();
  auto client = one_message("Subject: x\r\n\r\nx");
  s.send(client);
  s.world.run_until([] { return false; }, 1h);
  s.world.clock.wall_offset = 24h * 30;
  s.world.run_until([] { return false; }, 15min);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("status=expired") == 0);
  s.remote_comes_up();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 30min);
  REQUIRE(s.remote->taken.size() == 1);
  CHECK(s.remote->taken[0].forward_paths[0] == "you@far.test");
}

TEST_CASE("a message that waited for its whole lifetime goes back to its sender, once") {
  scene s(2);
  s.relay.settings.retry.queue_lifetime = 24h;
  s.relay.start();
  auto client = one_message("Subject: x\r\n\r\nx");
  s.send(client);
  s.world.run_until([&] { return s.relay.log.count("status=expired") > 0; }, 30h);
  s.remote_comes_up();
  s.world.run_until([] { return false; }, 48h);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("status=expired") == 1);
  REQUIRE(s.remote->taken.size() == 1);
  CHECK(s.remote->taken[0].reverse_path.empty());
  CHECK(s.remote->taken[0].forward_paths == std::vector<std::string>{"me@c.test"});
  CHECK(s.remote->taken[0].content.find("Status: 5.4.7") != std::string::npos);
}

TEST_CASE("a recipient that is named twice gets the message once") {
  scene s(3);
  s.remote_comes_up();
  s.relay.start();
  auto client = one_message("Subject: x\r\n\r\nx", "RCPT TO:<you@FAR.test>\r\n");
  s.send(client);
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  REQUIRE(s.remote->taken.size() == 1);
  CHECK(s.remote->taken[0].forward_paths == std::vector<std::string>{"you@far.test"});
}

TEST_CASE(
    "content beyond the memory budget is refused with 452, and what was queued is delivered") {
  scene s(4);
  s.relay.settings.limits.memory = 100_KiB;
  s.relay.settings.limits.message_size = 100_KiB;
  s.relay.start();
  // Undeliverable for now: their content is released, so all of them are taken.
  for (int i = 0; i < 5; ++i) {
    auto client =
        one_message("Subject: x\r\n\r\n" + std::string(900, 'x') + "\r\n" + std::string(900, 'y'));
    s.send(client);
    CHECK(client.replies.find("Ok: queued as") != std::string::npos);
  }
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 99 * 1024) large += std::string(70, 'z') + "\r\n";
  auto client = one_message(large);
  s.send(client);
  CHECK(client.replies.find("\n452 4.3.1 ") != std::string::npos);
  s.remote_comes_up();
  s.world.run_until([&] { return s.remote->taken.size() == 5; }, 24h);
  CHECK(s.remote->taken.size() == 5);
}

}  // namespace
}  // namespace relais::testing
