// Who waits for whom in delivery: one hanging, refusing or impossible destination holds up nothing
// else, and nothing is tried in a tight loop.
#include <catch2/catch.hpp>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) { remote_comes_up(); }
  /// A client that sends one message to each of `recipients`, in one session.
  client_session& submit(const std::string& sender, const std::vector<std::string>& recipients) {
    auto& client = sessions.emplace_back();
    client.lines.emplace_back("EHLO client.test\r\n");
    for (const auto& to : recipients) {
      client.lines.push_back("MAIL FROM:<" + sender + ">\r\n");
      client.lines.push_back("RCPT TO:<" + to + ">\r\n");
      client.lines.emplace_back("DATA\r\n");
      client.lines.emplace_back("Subject: x\r\n\r\nbody\r\n.\r\n");
    }
    client.lines.emplace_back("QUIT\r\n");
    run_client(world, clients, endpoint{simulated_relay::address, 25}, client);
    world.run_until([&] { return client.over; }, 10min);
    return client;
  }
  std::deque<client_session> sessions;
};

TEST_CASE("a report that cannot be delivered anywhere is dropped without a look at the network") {
  scene s(1);
  s.relay.start();
  const auto row = GENERATE(values<std::string>({"a@[10.0.0.1]", "a@nowhere.test"}));
  s.submit("", {row, row, row});
  s.world.run_until([] { return false; }, 1min);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("no report about a report") == 3);
  CHECK(s.relay.log.count(": removed") == 3);
}

TEST_CASE("many impossible destinations that wait in line for a connection are ended one by one") {
  scene s(2);
  s.relay.settings.delivery.concurrency = 1;
  s.relay.settings.limits.messages_per_connection = 10'000;
  s.relay.settings.client_timeout.greeting = 1h;
  s.remote->silent = 1;
  s.relay.start();
  s.submit("me@here.test", {"you@far.test"});
  std::vector<std::string> impossible;
  for (int i = 1; i <= 250; ++i) impossible.push_back("a@[10.0.0." + std::to_string(i) + "]");
  for (int i = 0; i < 4; ++i) s.submit("", impossible);
  s.world.run_until([] { return false; }, 2h);
  CHECK(s.relay.log.count("no report about a report") == 1000);
  CHECK(s.remote->taken.size() == 1);
}

TEST_CASE("a message does not wait for another one whose session hangs") {
  scene s(3);
  s.remote->silent = 1;
  s.relay.start();
  s.submit("me@here.test", {"first@far.test"});
  const bool tried = s.world.run_until([&] { return s.remote->silent == 0; }, 1min);
  REQUIRE(tried);
  s.submit("me@here.test", {"second@far.test"});
  const bool delivered = s.world.run_until([&] { return s.remote->taken.size() == 1; }, 30s);
  INFO(s.relay.log.text());
  CHECK(delivered);
}

TEST_CASE("a server that sends the next message to another connection gets it there at once") {
  scene s(4);
  s.relay.settings.delivery.concurrency_per_destination = 1;
  s.remote->messages_per_connection = 2;
  s.remote->silent = 1;
  s.relay.settings.client_timeout.greeting = 20s;
  s.relay.settings.retry.intervals = {1h};
  s.relay.settings.retry.jitter = 0;
  s.relay.start();
  // The silent connection lets the messages gather; they are deferred together, for an hour.
  std::vector<std::string> seven(7, "you@far.test");
  s.submit("me@here.test", seven);
  s.world.run_until([&] { return s.remote->taken.size() == 7; }, 70min);
  INFO(s.relay.log.text());
  CHECK(s.remote->taken.size() == 7);
  CHECK(s.relay.log.count("said: 421") == 0);
}

TEST_CASE("while no report can be stored, a message that is too old is not tried without a pause") {
  scene s(5);
  s.relay.settings.retry.intervals = {30min};
  s.relay.settings.retry.queue_lifetime = 2h;
  s.remote->stop();
  s.relay.start();
  s.submit("me@here.test", {"you@far.test"});
  s.world.run_until([] { return false; }, 1h);
  // Full: nothing new is taken, states are still recorded.
  s.disk.set_capacity({1, 1});
  s.world.run_until([&] { return s.relay.log.lines.size() > 2000; }, 10h);
  const auto failures = s.relay.log.count("the report could not be stored");
  INFO(s.relay.log.text().substr(0, 5000));
  CHECK(failures >= 2);
  CHECK(failures <= 200);
  s.disk.set_capacity({});
  s.world.run_until([] { return false; }, 1h);
  CHECK(s.relay.log.count("sender non-delivery notification") == 1);
}

}  // namespace
}  // namespace relais::testing
