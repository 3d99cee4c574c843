// The SMTP server's driver in the simulated world: what is answered 250 is in the spool and is
// delivered, what is not answered 250 is not; a client may vanish at every octet, the disk may fail
// at every write.
#include <catch2/catch.hpp>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

const std::string whole_session =
    "EHLO client.test\r\nMAIL FROM:<me@here.test>\r\nRCPT TO:<you@far.test>\r\nDATA\r\n"
    "Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n";

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    relay.settings.retry.intervals = {10min};
    remote_comes_up();
  }
};

// Sends all octets at once (as a pipelining client), closes at the end of them, keeps what comes
// back.
net::task<void> send_and_leave(sim_world& world, std::string octets, bool wait_for_replies,
                               std::string& replies, bool& over, ip_address from) {
  const auto& here = world.runtime(from);
  const endpoint to{simulated_relay::address, 25};
  auto connected = co_await here.network.connect(to, 30s);
  net::stream stream(std::move(*connected), here);
  co_await stream.write(octets);
  std::string buffer(4096, '\0');
  while (wait_for_replies) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) break;
    replies.append(buffer, 0, *got);
  }
  over = true;
}

TEST_CASE(
    "a client that vanishes at any octet leaves nothing behind, unless the final dot was said") {
  const auto end_of_data = whole_session.find("\r\n.\r\n") + 5;
  for (std::size_t cut = 0; cut <= whole_session.size(); ++cut) {
    scene s(cut + 1);
    s.relay.start();
    std::string replies;
    bool over = false;
    s.clients.spawn("client", send_and_leave(s.world, whole_session.substr(0, cut), false, replies,
                                             over, simulated_relay::client_address));
    s.world.run_until([] { return false; }, 1h);
    INFO("cut at " << cut << '\n' << s.relay.log.text());
    CHECK(over);
    CHECK(s.remote->taken.size() == (cut >= end_of_data ? 1u : 0u));
    CHECK(s.relay.shut_down(1min));
    CHECK(s.relay.spooled().empty());
  }
}

TEST_CASE(
    "a disk that fails at any operation is answered 4xx and queues nothing, and 250 means "
    "delivered") {
  bool accepted_once = false, refused_once = false;
  for (std::uint64_t n = 0; n < 40; ++n) {
    scene s(n + 1);
    s.relay.start();
    s.disk.fail_after(n, errc::io_error);
    std::string replies;
    bool over = false;
    s.clients.spawn("client", send_and_leave(s.world, whole_session, true, replies, over,
                                             simulated_relay::client_address));
    s.world.run_until([] { return false; }, 2h);
    INFO("operation " << n << '\n' << replies << s.relay.log.text());
    CHECK(over);
    const bool accepted = replies.find("Ok: queued as") != std::string::npos;
    accepted_once = accepted_once || accepted;
    refused_once = refused_once || !accepted;
    // Failing after the acceptance may repeat a delivery (a lost mark), never lose one.
    if (accepted) CHECK(s.remote->taken.size() >= 1);
    if (!accepted) {
      CHECK(s.remote->taken.empty());
      CHECK((replies.find("\n451 4.3.0 ") != std::string::npos ||
             replies.find("\n452 4.3.1 ") != std::string::npos));
    }
  }
  CHECK(accepted_once);
  CHECK(refused_once);
}

struct policy_row {
  std::string name;
  std::string from;
  std::string input;
  std::string contains;
};

TEST_CASE("relaying is for trusted clients, others reach the relay domains only") {
  const auto row = GENERATE(values<policy_row>({
      {"a trusted client may send anywhere", "192.0.2.10", "RCPT TO:<you@far.test>\r\n",
       "\n250 2.1.5 "},
      {"a stranger may not", "203.0.113.5", "RCPT TO:<you@far.test>\r\n", "\n550 5.7.1 "},
      {"a stranger reaches a relay domain", "203.0.113.5", "RCPT TO:<you@HERE.test>\r\n",
       "\n250 2.1.5 "},
      {"a subdomain is no relay domain", "203.0.113.5", "RCPT TO:<you@sub.here.test>\r\n",
       "\n550 5.7.1 "},
      {"a percent hack is a local-part", "203.0.113.5", "RCPT TO:<you%far.test@relay.test>\r\n",
       "\n550 5.7.1 "},
      {"a bang path is a local-part", "203.0.113.5", "RCPT TO:<far.test!you@relay.test>\r\n",
       "\n550 5.7.1 "},
      {"a quoted @ is a local-part", "203.0.113.5", "RCPT TO:<\"you@here.test\"@far.test>\r\n",
       "\n550 5.7.1 "},
      {"a source route through us is stripped and judged by its end", "203.0.113.5",
       "RCPT TO:<@here.test:you@far.test>\r\n", "\n550 5.7.1 "},
      {"an address literal of ours is no relay domain", "203.0.113.5",
       "RCPT TO:<you@[192.0.2.1]>\r\n", "\n550 5.7.1 "},
      {"a stranger's bare line feed is refused and ends the session", "203.0.113.5",
       "RCPT TO:<you@here.test>\n", "\n550 5.5.2 "},
      {"a trusted client's bare line feed ends a command", "192.0.2.10", "RCPT TO:<you@far.test>\n",
       "\n250 2.1.5 "},
  }));
  DYNAMIC_SECTION(row.name) {
    scene s(7);
    s.relay.settings.relay.domains = {"here.test"};
    s.relay.start();
    std::string replies;
    bool over = false;
    s.clients.spawn(
        "client",
        send_and_leave(s.world, "EHLO c.test\r\nMAIL FROM:<me@c.test>\r\n" + row.input + "QUIT\r\n",
                       true, replies, over, *ip_address::parse(row.from)));
    s.world.run_until([&] { return over; }, 1h);
    CHECK(over);
    INFO(replies);
    CHECK(replies.find(row.contains) != std::string::npos);
    if (row.contains.starts_with("\n550 5.7.1")) {
      CHECK(s.relay.log.count("NOQUEUE: reject: RCPT from unknown[203.0.113.5]: 550 5.7.1 ") == 1);
    }
  }
}

TEST_CASE(
    "connections of a stranger beyond the limit are told so with 421, trusted clients are exempt") {
  std::string replies[6];
  bool over[6] = {};
  scene s(3);
  s.relay.settings.limits.connections_per_client = 2;
  s.relay.start();
  const auto stranger = *ip_address::parse("203.0.113.5");
  for (std::size_t i = 0; i < 6; ++i) {
    const auto from = i < 3 ? stranger : simulated_relay::client_address;
    s.clients.spawn("client", send_and_leave(s.world, "NOOP\r\n", true, replies[i], over[i], from));
  }
  s.world.run_until([] { return false; }, 1min);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < 3; ++i) refused += replies[i].starts_with("421 ") ? 1 : 0;
  CHECK(refused == 1);
  for (std::size_t i = 3; i < 6; ++i) CHECK(replies[i].starts_with("220 relay.test ESMTP"));
}

TEST_CASE("an idle client is told 421 when its time is over, and so is one at a shutdown") {
  scene s(5);
  s.relay.start();
  std::string replies;
  bool over = false;
  s.clients.spawn("client", send_and_leave(s.world, "EHLO c.test\r\n", true, replies, over,
                                           simulated_relay::client_address));
  SECTION("idle timeout") {
    s.world.run_until([&] { return over; }, 6min);
    CHECK(replies.find("\r\n421 4.4.2 relay.test ") != std::string::npos);
    CHECK(s.relay.log.count("timeout after EHLO from unknown[192.0.2.10]") == 1);
  }
  SECTION("shutdown") {
    s.world.run_until([] { return false; }, 1min);
    CHECK(s.relay.shut_down(1min));
    s.world.run_until([&] { return over; }, 1min);
    CHECK(replies.find("\r\n421 4.3.2 relay.test ") != std::string::npos);
  }
  CHECK(over);
}

TEST_CASE(
    "a transaction under way at a shutdown may finish, and its message survives the restart") {
  scene s(11);
  s.remote->answers = {smtp::reply_id::queue_write_failed};
  s.relay.start();
  client_session client;
  client.lines = {"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n", "RCPT TO:<you@far.test>\r\n",
                  "DATA\r\n", "Subject: late\r\n\r\nbody\r\n.\r\n"};
  run_client(s.world, s.clients, endpoint{simulated_relay::address, 25}, client);
  s.world.run_until([&] { return client.replies.find("354") != std::string::npos; }, 1min);
  CHECK(s.relay.shut_down(1min));
  s.world.run_until([&] { return client.over; }, 1min);
  INFO(client.replies << s.relay.log.text());
  CHECK(client.replies.find("250 2.0.0 Ok: queued as") != std::string::npos);
  s.remote->answers.clear();
  s.relay.start();
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 24h);
  CHECK(s.remote->taken.size() == 1);
}

}  // namespace
}  // namespace relais::testing
