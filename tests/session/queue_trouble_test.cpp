// The queue under trouble, in the simulated world: a clock that jumps, memory that is spent, a
// recipient named twice, a next hop that comes back.
#include <catch2/catch.hpp>
#include <set>

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
  s.relay.settings.retry.delay_warnings.clear();
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

TEST_CASE("content that is larger than all memory is taken, and so is what comes beside it") {
  scene s(4);
  s.relay.settings.limits.memory = 100_KiB;
  s.relay.settings.limits.message_size = 1_MiB;
  s.relay.start();
  // Undeliverable for now: their content is released.
  for (int i = 0; i < 5; ++i) {
    auto client =
        one_message("Subject: x\r\n\r\n" + std::string(900, 'x') + "\r\n" + std::string(900, 'y'));
    s.send(client);
    CHECK(client.replies.find("Ok: queued as") != std::string::npos);
  }
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 500 * 1024) large += std::string(70, 'z') + "\r\n";
  auto client = one_message(large);
  s.send(client);
  CHECK(client.replies.find("Ok: queued as") != std::string::npos);
  s.remote_comes_up();
  s.world.run_until([&] { return s.remote->taken.size() == 6; }, 24h);
  CHECK(s.remote->taken.size() == 6);
}

TEST_CASE("recipients beyond the next hop's limit follow at once in further transactions") {
  scene s(7);
  s.remote_comes_up();
  s.remote->recipients_per_message = 10;
  s.relay.start();
  client_session client;
  client.lines = {"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n"};
  for (int i = 0; i < 25; ++i) {
    client.lines.push_back("RCPT TO:<u" + std::to_string(i) + "@far.test>\r\n");
  }
  client.lines.insert(client.lines.end(), {"DATA\r\n", "Subject: x\r\n\r\nx\r\n.\r\n", "QUIT\r\n"});
  s.send(client);
  s.world.run_until([&] { return s.relay.log.count(": removed") > 0; }, 5min);
  INFO(s.relay.log.text());
  REQUIRE(s.remote->taken.size() == 3);
  std::set<std::string> reached;
  for (const auto& m : s.remote->taken) {
    reached.insert(m.forward_paths.begin(), m.forward_paths.end());
  }
  CHECK(reached.size() == 25);
  CHECK(s.relay.log.count("status=sent") == 25);
  CHECK(s.relay.log.count("status=deferred") == 0);
}

TEST_CASE("an attempt that a clock ahead of time planned does not wait for years") {
  scene s(5);
  s.world.clock.wall_offset = 24h * 365 * 3;
  s.relay.start();
  auto client = one_message("Subject: x\r\n\r\nx");
  s.send(client);
  s.world.run_until([&] { return s.relay.log.count("status=deferred") > 0; }, 1h);
  CHECK(s.relay.shut_down(1min));
  s.world.clock.wall_offset = {};
  s.remote_comes_up();
  s.relay.start();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  CHECK(s.remote->taken.size() == 1);
}

// Says one octet, then another, ever so slowly: each within the time limit, never a whole command.
net::task<void> drip(sim_world& world, bool& closed) {
  const auto& here = world.runtime(simulated_relay::client_address);
  const endpoint to{simulated_relay::address, 25};
  auto connected = co_await here.network.connect(to, 30s);
  net::stream stream(std::move(*connected), here);
  for (int i = 0; i < 100; ++i) {
    if (co_await stream.write("N")) break;
    co_await net::sleep_for(here, 1min);
  }
  std::string buffer(1024, '\0');
  const auto target = net::asio::buffer(buffer);
  for (;;) {
    const auto got = co_await stream.read_some(target);
    if (!got) break;
  }
  closed = true;
}

TEST_CASE("a client that lets a command drip in is told 421 when the time of one command is over") {
  scene s(6);
  s.relay.start();
  bool closed = false;
  s.clients.spawn("drip", drip(s.world, closed));
  s.world.run_until([] { return false; }, 10min);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("timeout after CONNECT") == 1);
  s.world.run_until([&] { return closed; }, 3h);
  CHECK(closed);
}

}  // namespace
}  // namespace relais::testing
