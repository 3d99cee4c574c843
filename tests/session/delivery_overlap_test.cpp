// Transactions that overlap, and a peer that is gone at any octet: nothing is lost, what was
// answered is not sent again, what was not begun is no attempt.
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
    settings.delivery.concurrency_per_destination = 1;
    settings.delivery.host_retry = 1s;
    world.slowest_packet = 10ms;
  }
  void submit_numbered(int count) {
    for (int i = 0; i < count; ++i) {
      const auto number = std::to_string(i);
      submit(letter("me@here.test", "n" + number + "@far.test"),
             "Subject: " + number + "\r\n\r\n" + std::string(60, 'x') + "\r\n");
    }
  }
};

void check_all_arrived(const scene& s, int count) {
  std::map<std::string, int> copies, answered;
  for (const auto& m : s.first->taken) {
    const auto& to = m.forward_paths.front();
    ++copies[to];
    answered[to] += m.is_answered ? 1 : 0;
    CHECK(has(m.content, "Subject: " + to.substr(1, to.find('@') - 1) + "\r\n"));
  }
  for (int i = 0; i < count; ++i) {
    const auto to = "n" + std::to_string(i) + "@far.test";
    INFO(to);
    CHECK(answered[to] == 1);
    CHECK(copies[to] <= 2);
  }
  CHECK(s.left() == 0);
  CHECK(s.home->taken.empty());
}

/// The whole dialogue without a cut: its length.
std::size_t length_of_dialogue(const smtp::extension_set& extensions, int messages) {
  scene s;
  s.first->extensions = extensions;
  s.submit_numbered(messages);
  s.run(1min);
  REQUIRE(s.first->connections == 1);
  return s.first->octets_heard;
}

TEST_CASE("a peer that drops the connection at every thirteenth octet loses no message") {
  auto extensions = smtp::extension_set::usual();
  const bool chunks = GENERATE(true, false);
  if (!chunks) extensions.remove(smtp::extension::chunking);
  constexpr int messages = 4;
  const auto length = length_of_dialogue(extensions, messages);
  // Every octet takes minutes; what a line does is the same for all of its octets but the ends.
  for (std::size_t cut = 1; cut <= length; cut += 13) {
    scene s(cut);
    s.first->extensions = extensions;
    s.first->cuts = {cut};
    s.submit_numbered(messages);
    s.run(3h);
    INFO("chunks " << chunks << ", cut behind " << cut << '\n' << s.log.text());
    check_all_arrived(s, messages);
  }
}

TEST_CASE("a peer that drops every connection within a message is not asked in a tight loop") {
  scene s;
  s.settings.retry.intervals = {10min};
  s.settings.retry.queue_lifetime = 3h;
  s.first->cuts.assign(10'000, 120);
  s.submit_numbered(10);
  s.run(2h);
  CHECK(s.first->taken.empty());
  CHECK(s.first->connections >= 10);
  CHECK(s.first->connections <= 60);
}

TEST_CASE("one round trip is enough for a message where transactions overlap") {
  scene s;
  s.world.cuts_writes = false;
  s.settings.delivery.concurrency_per_destination = 1;
  s.world.slowest_packet = 100ms;  // 100 ms for both ways, on average
  s.submit_numbered(1);
  s.run(10s);
  const auto begin = s.world.clock.now();
  s.submit_numbered(100);
  REQUIRE(s.until([&] { return s.first->taken.size() == 101; }, 10min));
  CHECK(s.world.clock.now() - begin <= 15s);
}

TEST_CASE("a connection carries as many messages as the configuration says") {
  scene s;
  s.settings.delivery.messages_per_connection = 3;
  s.submit_numbered(9);
  s.run(1min);
  check_all_arrived(s, 9);
  CHECK(s.first->connections == 3);
}

TEST_CASE("a message does not go ahead where a session is about to take it") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 2;
  s.settings.delivery.idle_timeout = 1h;
  s.submit_numbered(1);
  s.run(1min);
  s.first->thinking_time = 1min;
  s.submit_numbered(2);
  s.run(90s);
  CHECK(s.first->taken.size() == 3);
}

TEST_CASE("a message that was ahead and whose answer is lost is not sent again at once") {
  std::size_t length = 0;
  for (const bool is_cut : {false, true}) {
    scene s;
    s.settings.delivery.idle_timeout = 1h;
    if (is_cut) s.first->cuts = {length};
    s.submit_numbered(1);
    s.run(1min);
    s.submit_numbered(is_cut ? 2 : 1);
    s.run(5min);
    length = s.first->octets_heard;  // to the end of the one in front, which is taken
    CHECK(s.first->connections == 1);
    CHECK(s.first->taken.size() == 2);
    CHECK(s.log.count("may be sent more than once") == (is_cut ? 2 : 0));
  }
}

TEST_CASE("a peer without pipelining gets its mail one command at a time") {
  scene s;
  s.first->extensions.remove(smtp::extension::pipelining);
  s.submit_numbered(20);
  s.run(5min);
  check_all_arrived(s, 20);
  CHECK(s.first->taken.size() == 20);
}

TEST_CASE("a peer that takes two messages per connection gets the third one on another at once") {
  scene s;
  s.first->messages_per_connection = 2;
  s.submit_numbered(9);
  s.run(1min);
  check_all_arrived(s, 9);
  CHECK(s.log.count("status=deferred") == 0);
  CHECK(s.first->connections == 5);
}

TEST_CASE("a message that makes its peer hang up costs one used connection, not all") {
  scene s;
  s.settings.delivery.concurrency_per_destination = 5;
  s.settings.delivery.idle_timeout = 1h;
  s.first->thinking_time = 1s;
  s.first->drops = "bad@here.test";
  s.first->extensions.remove(smtp::extension::chunking);  // else the content went along
  s.submit_numbered(50);
  REQUIRE(s.until([&] { return s.first->taken.size() == 50; }, 10min));
  s.run(1s);
  REQUIRE(s.first->open_now == 5);
  s.submit(scene::letter("bad@here.test", "joe@far.test"));
  s.run(10s);
  // The used one may have been given up for another reason; one that is fresh shows it.
  CHECK(s.first->dropped == 2);
  CHECK(s.first->open_now == 4);
  CHECK(s.log.count("status=deferred") == 1);
}

TEST_CASE("a connection is given up at the end of its lifetime though there is more to send") {
  scene s;
  s.settings.delivery.connection_lifetime = 10s;
  s.first->thinking_time = 1s;
  s.submit_numbered(30);
  s.run(2min);
  check_all_arrived(s, 30);
  CHECK(s.first->connections >= 3);
}

TEST_CASE("a peer that takes no recipient at all is not asked in a tight loop") {
  scene s;
  s.first->recipients_per_message = 0;
  s.submit_numbered(1);
  s.run(1min);
  CHECK(s.log.count("status=deferred") == 1);
  CHECK(s.first->connections == 1);
}

}  // namespace
}  // namespace relais::testing
