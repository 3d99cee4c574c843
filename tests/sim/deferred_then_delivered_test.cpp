// client -> relay -> a remote MTA that says 451 twice, then 250; virtual hours pass. 200 seeds:
// latency, packet cuts, disk latency and retry jitter differ in each.
#include <catch2/catch.hpp>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

const std::string body = "Subject: hours later\r\n\r\n.leading dot\r\n..two\r\nlast line\r\n";
const std::string stuffed =
    "Subject: hours later\r\n\r\n..leading dot\r\n...two\r\nlast line\r\n.\r\n";

void run(std::uint64_t seed) {
  sim_world world(seed);
  sim_disk disk;
  fake_resolver dns;
  const auto remote_address = *ip_address::parse("198.51.100.25");
  dns.add_mx("far.test", 10, "mx.far.test");
  dns.add_address("mx.far.test", remote_address.text());
  dns.before_answering = [&]() -> net::task<void> {
    const auto travel = duration(static_cast<std::int64_t>(world.random.below(80'000'000)));
    co_await net::sleep_for(world.runtime(simulated_relay::address), travel);
  };
  scripted_mta remote(world.runtime(remote_address), endpoint{remote_address, 25}, "mx.far.test");
  remote.answers = {smtp::reply_id::queue_write_failed, smtp::reply_id::queue_write_failed};

  simulated_relay relay(world, disk, dns);
  relay.settings.retry.intervals = {30min, 2h, 4h};
  relay.start();

  net::task_group clients(world.runtime(simulated_relay::client_address), task_escaped);
  client_session client;
  client.lines = {"EHLO client.test\r\n",
                  "MAIL FROM:<me@here.test>\r\n",
                  "RCPT TO:<you@far.test>\r\n",
                  "DATA\r\n",
                  stuffed,
                  "QUIT\r\n"};
  run_client(world, clients, endpoint{simulated_relay::address, 25}, client);

  const bool delivered = world.run_until([&] { return remote.taken.size() == 1; }, 24h);
  INFO(client.replies << relay.log.text());
  REQUIRE(delivered);
  CHECK(client.over);
  CHECK(client.replies.find("250 2.0.0 Ok: queued as ") != std::string::npos);
  // Nothing happens afterwards: no second delivery, however long one waits.
  world.run_until([] { return false; }, 240h);

  CHECK(remote.attempts.size() == 3);
  REQUIRE(remote.taken.size() == 1);
  const auto& got = remote.taken.front();
  CHECK(got.reverse_path == "me@here.test");
  CHECK(got.forward_paths == std::vector<std::string>{"you@far.test"});
  CHECK(got.content.starts_with("Received: from client.test"));
  CHECK(got.content.ends_with(body));
  // The schedule, with its jitter of 20 %.
  CHECK(remote.attempts[1] - remote.attempts[0] >= 24min);
  CHECK(remote.attempts[1] - remote.attempts[0] <= 37min);
  CHECK(remote.attempts[2] - remote.attempts[1] >= 96min);
  CHECK(remote.attempts[2] - remote.attempts[1] <= 145min);
  CHECK(relay.log.count("status=deferred") == 2);
  CHECK(relay.log.count("status=sent") == 1);
  CHECK(relay.log.count(": removed") == 1);

  CHECK(relay.shut_down(1h));
  remote.stop();
  world.run_until([&] { return remote.is_idle() && clients.size() == 0; }, 1min);
  CHECK(remote.is_idle());
  CHECK(relay.spooled().empty());
}

TEST_CASE(
    "a message that is deferred twice is delivered exactly once, hours later, with 200 seeds") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    DYNAMIC_SECTION("seed " << seed) {
      run(seed);
    }
  }
}

}  // namespace
}  // namespace relais::testing
