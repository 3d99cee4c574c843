// Messages too large for memory, through the whole relay: they stream to a file of their own while
// they arrive and out of it when they are delivered, byte-exact, over crashes, and however many
// come at once.
#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "smtp/content.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    relay.settings.retry.intervals = {10min};
    dns.add_mx("here.test", 10, "mx.far.test");
  }
  void send(client_session& client) {
    run_client(world, clients, endpoint{simulated_relay::address, 25}, client);
    world.run_until([&] { return client.over; }, 10min);
    INFO(client.replies);
    REQUIRE(client.over);
  }
};

// Lines of all lengths, some beginning with dots; CRLF at the end.
std::string large_body(std::size_t size, unsigned salt) {
  std::string body = "Subject: large " + std::to_string(salt) + "\r\n\r\n";
  for (unsigned i = salt; body.size() < size; ++i) {
    body += std::string(i % 3, '.') + std::to_string(i) + std::string(i % 90, 'x') + "\r\n";
  }
  return body;
}

client_session one_message(const std::string& body) {
  std::string stuffed;
  smtp::dot_stuffer stuffer;
  stuffer.append(body, stuffed);
  stuffer.end(stuffed);
  client_session c;
  c.lines = {"EHLO c.test\r\n",
             "MAIL FROM:<me@here.test>\r\n",
             "RCPT TO:<you@far.test>\r\n",
             "DATA\r\n",
             stuffed,
             "NOOP\r\n"};
  return c;
}

bool was_queued(const client_session& c) {
  return c.replies.find("Ok: queued as") != std::string::npos;
}

TEST_CASE("a large message is delivered byte-exact, and its file goes with it") {
  const std::size_t size = GENERATE(17'000u, 300'000u, 2'000'000u);
  scene s(size);
  s.remote_comes_up();
  s.relay.start();
  const auto body = large_body(size, 1);
  auto client = one_message(body);
  s.send(client);
  CHECK(was_queued(client));
  s.world.run_until([&] { return s.relay.log.count(": removed") > 0; }, 1h);
  INFO(s.relay.log.text().substr(0, 3000));
  REQUIRE(s.remote->taken.size() == 1);
  CHECK(s.remote->taken[0].content.ends_with("\r\n" + body));
  CHECK(s.remote->taken[0].content.starts_with("Received: from c.test"));
  CHECK(s.relay.shut_down(1min));
  CHECK(s.relay.spooled().empty());
  CHECK(s.relay.large_files() == 0);
}

TEST_CASE("a large message that was answered 250 outlives a power cut") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    scene s(seed);
    s.relay.start();
    const auto body = large_body(100'000 + 1000 * seed, static_cast<unsigned>(seed));
    auto client = one_message(body);
    s.send(client);
    REQUIRE(was_queued(client));
    s.disk.cut_power_after(0);
    s.relay.kill();
    s.disk.crash(seed);
    s.remote_comes_up();
    s.relay.start();
    s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
    INFO("seed " << seed << '\n' << s.relay.log.text());
    REQUIRE(s.remote->taken.size() == 1);
    CHECK(s.remote->taken[0].content.ends_with("\r\n" + body));
  }
}

TEST_CASE("a client that vanishes within a large content leaves no file behind") {
  scene s(3);
  s.relay.start();
  auto client = one_message(large_body(200'000, 1));
  auto& content = client.lines[4];
  content.resize(content.size() - 5);  // without its end
  run_client(s.world, s.clients, endpoint{simulated_relay::address, 25}, client);
  const bool began = s.world.run_until([&] { return s.relay.large_files() == 1; }, 1min);
  CHECK(began);
  s.clients.stop();
  s.world.run_until([] { return false; }, 1h);
  CHECK(s.relay.log.count("lost connection after DATA") == 1);
  CHECK(s.relay.large_files() == 0);
}

TEST_CASE("many large messages at once share a small memory, and each is taken and delivered") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    scene s(seed);
    s.relay.settings.limits.memory = 512_KiB;  // 2.4 MB come
    s.remote_comes_up();
    s.relay.start();
    std::deque<client_session> sessions;
    for (unsigned i = 0; i < 40; ++i) {
      auto& c = sessions.emplace_back(one_message(large_body(60'000, i)));
      run_client(s.world, s.clients, endpoint{simulated_relay::address, 25}, c);
    }
    s.world.run_until([&] { return std::ranges::all_of(sessions, &client_session::over); }, 1h);
    for (const auto& c : sessions) {
      INFO(c.replies);
      CHECK(was_queued(c));
    }
    s.world.run_until([&] { return s.remote->taken.size() == 40; }, 3h);
    std::set<std::string> expected, got;
    for (unsigned i = 0; i < 40; ++i) expected.insert(large_body(60'000, i));
    for (const auto& m : s.remote->taken) {
      got.insert(m.content.substr(m.content.find("Subject: large")));
    }
    INFO("seed " << seed);
    CHECK(got == expected);
  }
}

TEST_CASE("a large content that is damaged on the disk is not sent, and the operator is told") {
  // Read in one, and in pieces.
  const std::size_t size = GENERATE(100'000u, 1'500'000u);
  scene s(5);
  s.relay.start();
  auto client = one_message(large_body(size, 1));
  s.send(client);
  REQUIRE(was_queued(client));
  for (const auto& name : s.disk.files()) {
    if (name.starts_with("large/")) CHECK(s.disk.flip_bit(name, 8 * (size / 2)));
  }
  s.remote_comes_up();
  s.world.run_until([&] { return s.relay.log.count("cannot be read") > 0; }, 1h);
  INFO(s.relay.log.text());
  s.world.run_until([] { return false; }, 5min);
  CHECK(s.relay.log.count("the stored message cannot be read") >= 1);
  CHECK(s.relay.log.count("dsn=4.3.0, status=deferred") >= 1);
  CHECK(s.remote->attempts.empty());
  CHECK(s.remote->taken.empty());
}

TEST_CASE("a disk that gets full within a large content is a 452, and the session goes on") {
  scene s(6);
  s.relay.start();
  bool full = true;
  s.disk.on_operation([&](disk_operation o, std::string_view name) -> std::optional<errc> {
    if (full && o == disk_operation::write && name.starts_with("large/")) return errc::no_space;
    return {};
  });
  auto client = one_message(large_body(200'000, 1));
  s.send(client);
  INFO(client.replies << s.relay.log.text());
  CHECK(client.replies.find("\n452 4.3.1 ") != std::string::npos);
  CHECK(client.replies.ends_with("250 2.0.0 Ok\r\n"));
  CHECK(s.relay.log.count("not queued: ") == 1);
  full = false;
  s.world.run_until([] { return false; }, 1min);
  CHECK(s.relay.large_files() == 0);
  auto again = one_message(large_body(200'000, 1));
  s.send(again);
  CHECK(was_queued(again));
  s.disk.on_operation({});
}

TEST_CASE("the report about a large message that bounces returns its header") {
  scene s(7);
  s.remote_comes_up();
  s.remote->answers = {smtp::reply_id::transaction_failed};
  s.relay.start();
  auto client = one_message(large_body(600'000, 42));
  s.send(client);
  s.world.run_until([&] { return !s.remote->taken.empty(); }, 1h);
  INFO(s.relay.log.text());
  REQUIRE(s.remote->taken.size() == 1);
  CHECK(s.remote->taken[0].reverse_path.empty());
  CHECK(s.remote->taken[0].content.find("Subject: large 42\r\n") != std::string::npos);
  CHECK(s.remote->taken[0].content.size() < 10'000);
}

TEST_CASE("messages beyond the memory of all are refused with 452 only where nothing is left") {
  scene s(8);
  s.relay.settings.limits.memory = 4_KiB;
  s.relay.start();
  auto client = one_message("Subject: x\r\n\r\nx\r\n");
  s.send(client);
  CHECK(client.replies.find("\n452 4.3.1 ") != std::string::npos);
  CHECK(client.replies.ends_with("250 2.0.0 Ok\r\n"));
}

}  // namespace
}  // namespace relais::testing
