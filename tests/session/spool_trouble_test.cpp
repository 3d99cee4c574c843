// What the relay does while its spool is being read, full, or failing: who is accepted, what is
// delivered, what /readyz says.
#include <catch2/catch.hpp>
#include <deque>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    relay.settings.retry.intervals = {10min};
  }
  ~scene() { disk.on_operation({}); }
  client_session& submit(const std::string& to) {
    auto& c = sessions.emplace_back();
    c.lines = {"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n",    "RCPT TO:<" + to + ">\r\n",
               "DATA\r\n",        "Subject: x\r\n\r\nx\r\n.\r\n", "QUIT\r\n"};
    run_client(world, clients, endpoint{simulated_relay::address, 25}, c);
    world.run_until([&] { return c.over; }, 10min);
    INFO(c.replies << relay.log.text());
    CHECK(c.over);
    return c;
  }
  /// Types `lines` and gives the replies.
  std::string talk(std::vector<std::string> lines) {
    auto& c = sessions.emplace_back();
    c.lines = std::move(lines);
    run_client(world, clients, endpoint{simulated_relay::address, 25}, c);
    world.run_until([&] { return c.over; }, 10min);
    return c.replies;
  }
  std::size_t delivered(const std::string& to) const {
    std::size_t n = 0;
    for (const auto& m : remote->taken) n += m.forward_paths.front() == to ? 1 : 0;
    return n;
  }
  std::uint64_t used() { return disk_limits{}.bytes - disk.space()->bytes; }
  void restart() {
    CHECK(relay.shut_down(1h));
    relay.start();
  }
  std::deque<client_session> sessions;
};

bool was_queued(const client_session& c) {
  return c.replies.find("Ok: queued as") != std::string::npos;
}

TEST_CASE("new mail is delivered while the spool is being read, old mail when all of it is known") {
  scene s(1);
  s.relay.start();
  for (int i = 0; i < 5; ++i) s.submit("old" + std::to_string(i) + "@far.test");
  s.relay.maintenance_delay = 2h;
  s.restart();
  s.remote_comes_up();
  CHECK(was_queued(s.submit("new@far.test")));
  s.world.run_until([] { return false; }, 1h);
  CHECK(s.remote->taken.size() == 1);
  CHECK(s.delivered("new@far.test") == 1);
  CHECK(s.relay.readiness().find(" 200 ") != std::string::npos);
  s.world.run_until([&] { return s.remote->taken.size() == 6; }, 2h);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("qmgr: 5 messages found in the spool") == 1);
  CHECK(s.remote->taken.size() == 6);
  CHECK(s.delivered("new@far.test") == 1);
}

TEST_CASE("a stop while the spool is still being read waits for that, and loses nothing") {
  scene s(2);
  s.relay.start();
  s.submit("old@far.test");
  s.relay.maintenance_delay = 10min;
  s.restart();
  CHECK(was_queued(s.submit("new@far.test")));
  CHECK(s.relay.shut_down(1h));
  CHECK(s.relay.spooled().size() == 2);
  s.relay.maintenance_delay = {};
  s.remote_comes_up();
  s.relay.start();
  s.world.run_until([&] { return s.remote->taken.size() == 2; }, 1h);
  CHECK(s.remote->taken.size() == 2);
}

TEST_CASE("a second signal while the spool is still being read ends at once, and loses nothing") {
  scene s(3);
  s.relay.start();
  s.submit("old@far.test");
  s.relay.maintenance_delay = 10h;
  s.restart();
  CHECK(was_queued(s.submit("new@far.test")));
  s.relay.kill();
  s.relay.maintenance_delay = {};
  s.remote_comes_up();
  s.relay.start();
  s.world.run_until([&] { return s.remote->taken.size() == 2; }, 1h);
  CHECK(s.remote->taken.size() == 2);
}

TEST_CASE("a spool that cannot be read is said loudly, new mail is delivered, old mail stays") {
  scene s(4);
  s.relay.start();
  s.submit("old@far.test");
  CHECK(s.relay.shut_down(1h));
  s.relay.maintenance_delay = 1s;
  s.remote_comes_up();
  s.relay.start();
  s.disk.on_operation([](disk_operation o, std::string_view) -> std::optional<errc> {
    if (o == disk_operation::read || o == disk_operation::list) return errc::io_error;
    return {};
  });
  s.world.run_until([&] { return s.relay.log.count("cannot be read") > 0; }, 1h);
  s.disk.on_operation({});
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("NOT delivered until a restart") == 1);
  CHECK(was_queued(s.submit("new@far.test")));
  s.world.run_until([] { return false; }, 1h);
  CHECK(s.delivered("new@far.test") == 1);
  CHECK(s.delivered("old@far.test") == 0);
  const auto answer = s.relay.readiness();
  CHECK(answer.find(" 503 ") != std::string::npos);
  CHECK(answer.find("could not be read") != std::string::npos);
  s.relay.maintenance_delay = {};
  s.restart();
  s.world.run_until([&] { return s.delivered("old@far.test") > 0; }, 1h);
  CHECK(s.delivered("old@far.test") == 1);
  CHECK(s.delivered("new@far.test") == 1);
}

TEST_CASE("a message on hold is not delivered, others are") {
  scene s(8);
  s.relay.start();
  s.submit("held@far.test");
  s.submit("other@far.test");
  CHECK(s.relay.shut_down(1h));
  for (const auto& message : s.relay.spooled()) {
    if (message.envelope.forward_paths[0].text() == "held@far.test") s.relay.hold(message.id);
  }
  s.remote_comes_up();
  s.relay.start();
  s.world.run_until([] { return false; }, 24h);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("2 messages found in the spool, 1 of them on hold") == 1);
  CHECK(s.delivered("held@far.test") == 0);
  CHECK(s.delivered("other@far.test") == 1);
  CHECK(s.relay.shut_down(1h));
  CHECK(s.relay.spooled().size() == 1);
}

TEST_CASE("a full disk ends the start only where there is no mail to deliver") {
  scene s(9);
  const bool has_mail = GENERATE(false, true);
  if (has_mail) {
    s.relay.start();
    s.submit("old@far.test");
    CHECK(s.relay.shut_down(1h));
  }
  auto limits = disk_limits{};
  limits.bytes = s.used() + 512 * 1024;  // enough for a segment, below the floor
  s.disk.set_capacity(limits);
  if (!has_mail) {
    CHECK_THROWS_WITH(s.relay.start(), Catch::Contains("cannot take mail: "));
    return;
  }
  s.remote_comes_up();
  s.relay.start();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  INFO(s.relay.log.text());
  CHECK(s.relay.log.count("what is queued is delivered") == 1);
  CHECK(s.delivered("old@far.test") == 1);
}

TEST_CASE("a full disk is a 452 at MAIL, and deliveries go on") {
  scene s(5);
  s.relay.start();
  s.submit("old@far.test");
  auto limits = disk_limits{};
  limits.bytes = s.used() + 3 * 1024 * 1024;  // between the floors
  s.disk.set_capacity(limits);
  // The first one is refused at the latest when it is to be written.
  CHECK(s.submit("other@far.test").replies.find("\n452 4.3.1 ") != std::string::npos);
  const auto replies = s.talk({"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n", "QUIT\r\n"});
  CHECK(replies.find("\n452 4.3.1 ") != std::string::npos);
  CHECK(s.relay.readiness().find(" 503 ") != std::string::npos);
  s.remote_comes_up();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  CHECK(s.delivered("old@far.test") == 1);
  s.disk.set_capacity(disk_limits{});
  s.relay.readiness();  // asking makes it look again
  s.world.run_until([] { return false; }, 5min);
  CHECK(was_queued(s.submit("new@far.test")));
  CHECK(s.relay.readiness().find(" 200 ") != std::string::npos);
}

// Comes while all is well, and says MAIL four minutes later.
net::task<void> greeted_early(sim_world& world, std::string& heard, bool& over) {
  const auto& here = world.runtime(simulated_relay::client_address);
  const endpoint to{simulated_relay::address, 25};
  auto connected = co_await here.network.connect(to, 30s);
  net::stream stream(std::move(*connected), here);
  co_await stream.write("EHLO c.test\r\n");
  co_await net::sleep_for(here, 4min);
  co_await stream.write("MAIL FROM:<me@c.test>\r\n");
  std::string buffer(4096, '\0');
  for (;;) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) break;
    heard.append(buffer, 0, *got);
  }
  over = true;
}

TEST_CASE("a disk that is full to its last reserve is a 421 at the greeting and at MAIL") {
  scene s(6);
  s.relay.start();
  s.submit("old@far.test");
  auto limits = disk_limits{};
  limits.bytes = s.used();
  std::string early;
  bool over = false;
  s.clients.spawn("early", greeted_early(s.world, early, over));
  s.world.run_until([] { return false; }, 1min);
  s.disk.set_capacity(limits);
  CHECK(s.submit("other@far.test").replies.find("\n452 4.3.1 ") != std::string::npos);
  s.world.run_until([&] { return over; }, 5min);
  CHECK(early.find("250 2.1.0 Ok\r\n") == std::string::npos);
  CHECK(early.find("421 4.3.1 relay.test ") != std::string::npos);
  const auto replies = s.talk({});
  CHECK(replies.starts_with("421 relay.test "));
  CHECK(s.relay.readiness().find(" 503 ") != std::string::npos);
  s.remote_comes_up();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  CHECK(s.delivered("old@far.test") == 1);
}

TEST_CASE("a spool that failed takes nothing, and nothing is delivered that it could not record") {
  scene s(7);
  s.relay.start();
  s.submit("old@far.test");
  bool broken = true;
  s.disk.on_operation([&](disk_operation o, std::string_view) -> std::optional<errc> {
    const bool changes = o == disk_operation::write || o == disk_operation::sync;
    if (broken && changes) return errc::io_error;
    return {};
  });
  auto& refused = s.submit("new@far.test");
  CHECK(refused.replies.find("\n451 4.3.0 ") != std::string::npos);
  s.world.run_until([] { return false; }, 1min);
  const auto replies = s.talk({"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n", "QUIT\r\n"});
  INFO(replies << s.relay.log.text());
  CHECK(replies.find("\n451 4.3.0 ") != std::string::npos);
  CHECK(s.relay.readiness().find(" 503 ") != std::string::npos);
  s.remote_comes_up();
  s.world.run_until([] { return false; }, 24h);
  CHECK(s.remote->taken.empty());
  CHECK(s.relay.log.count("no delivery begins") == 1);
  broken = false;
  s.relay.shut_down(1h);
  s.relay.start();
  s.world.run_until([&] { return s.delivered("old@far.test") > 0; }, 24h);
  INFO(s.relay.log.text());
  CHECK(s.delivered("old@far.test") == 1);
}

}  // namespace
}  // namespace relais::testing
