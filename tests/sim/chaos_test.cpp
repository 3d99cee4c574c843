// Everything goes wrong at once: connections break in the middle, the disk fails now and then, the
// power is cut, the remote MTA says 4xx. Whatever happens, a message that was answered 250 reaches
// every recipient, and the spool is empty in the end. Copies are counted exactly in the quiet world
// only; under trouble they are merely bounded, not traced to the break that caused each.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

constexpr int messages = 30;

struct trouble {
  std::uint64_t reset_one_in = 0;
  std::uint64_t disk_error_one_in = 0;
  bool power_cuts = false;
};

// Clients fail, too.
void shrug(const std::string&, const std::string&) {}

struct scene : relay_scene {
  scene(std::uint64_t seed, const trouble& t) : relay_scene(seed, shrug), how(t) {
    world.slowest_packet = 20ms;
    dns.add_mx("here.test", 10, "mx.far.test");
    relay.settings.retry.intervals = {2min, 10min};
    relay.settings.retry.queue_lifetime = 48h;
    relay.settings.delivery.concurrency_per_destination = 1 + seed % 4;
    remote_comes_up();
    for (int i = 0; i < 10; ++i) {
      remote->answers.push_back(world.random.below(4) == 0 ? smtp::reply_id::queue_write_failed
                                                           : smtp::reply_id::queued);
    }
    disk.on_operation([this](disk_operation, std::string_view) -> std::optional<errc> {
      const auto n = how.disk_error_one_in;
      if (quiet || n == 0 || world.random.below(n) != 0) return {};
      return world.random.below(2) == 0 ? errc::io_error : errc::no_space;
    });
  }
  ~scene() { calm_down(); }
  void calm_down() {
    quiet = true;
    world.reset_one_in = 0;
    disk.on_operation({});
  }

  trouble how;
  bool quiet = true;  // no disk errors
  std::set<int> accepted;
  int finished = 0;
};

// Every third one is too large for memory; what it says is all its own.
std::string content_of(int number) {
  std::string text = "Subject: number " + std::to_string(number) + "\r\n\r\nbody\r\n";
  const std::size_t size = number % 3 == 0 ? 20'000 + 1000 * static_cast<std::size_t>(number) : 0;
  while (text.size() < size) {
    text += std::to_string(number) + ':' + std::to_string(text.size()) + "\r\n";
  }
  return text;
}

// One message, one session; whether its 250 was seen is all that counts.
net::task<void> submit(scene& s, int number) {
  const auto& here = s.world.runtime(simulated_relay::client_address);
  const auto start = duration(static_cast<std::int64_t>(s.world.random.below(120'000'000'000)));
  co_await net::sleep_for(here, start);
  const endpoint to{simulated_relay::address, 25};
  auto connected = co_await here.network.connect(to, 30s);
  if (connected) {
    net::stream stream(std::move(*connected), here);
    stream.expires_after(10min);
    const auto name = std::to_string(number);
    const std::string octets = "EHLO c.test\r\nMAIL FROM:<me@here.test>\r\nRCPT TO:<you" + name +
                               "@far.test>\r\nRCPT TO:<too" + name + "@far.test>\r\nDATA\r\n" +
                               content_of(number) + ".\r\nQUIT\r\n";
    std::string replies, buffer(4096, '\0');
    if (!co_await stream.write(octets)) {
      for (;;) {
        const auto target = net::asio::buffer(buffer);
        const auto got = co_await stream.read_some(target);
        if (!got) break;
        replies.append(buffer, 0, *got);
      }
    }
    if (replies.find("Ok: queued as") != std::string::npos) s.accepted.insert(number);
  }
  ++s.finished;
}

std::size_t times_delivered(const scene& s, const std::string& recipient) {
  std::size_t n = 0;
  for (const auto& m : s.remote->taken)
    n += static_cast<std::size_t>(std::ranges::count(m.forward_paths, recipient));
  return n;
}

// Nobody gets less than what was sent, or something else; a report has no number.
bool is_whole(const scripted_mta::received& m) {
  if (m.reverse_path.empty()) return true;
  const auto at = m.content.find("Subject: number ");
  if (at == std::string::npos) return false;
  return m.content.substr(at) == content_of(std::stoi(m.content.substr(at + 16)));
}

void run(std::uint64_t seed, const trouble& t) {
  scene s(seed, t);
  s.relay.start();
  for (int i = 0; i < messages; ++i) s.clients.spawn("client", submit(s, i));
  s.quiet = false;
  s.world.reset_one_in = t.reset_one_in;
  bool interrupted = t.reset_one_in != 0;
  if (t.power_cuts) {
    const auto cut_at = duration(static_cast<std::int64_t>(s.world.random.below(150'000'000'000)));
    s.world.run_until([] { return false; }, cut_at);
    s.disk.cut_power_after(s.world.random.below(20));
    s.world.run_until([&] { return s.disk.is_off(); }, 1min);
    s.relay.kill();
    s.disk.crash(seed);
    s.quiet = true;  // a disk that fails at the start is told by other tests
    s.relay.start();
    s.quiet = false;
    interrupted = true;
  }
  s.world.run_until([&] { return s.finished == messages; }, 1h);
  INFO("seed " << seed << '\n' << s.relay.log.text());
  REQUIRE(s.finished == messages);
  // A spool that saw a failing sync takes nothing more until a restart.
  s.calm_down();
  s.relay.shut_down(3h);
  s.relay.start();
  s.world.run_until([] { return false; }, 72h);
  std::size_t delivered = 0;
  for (int i = 0; i < messages; ++i) {
    for (const auto* name : {"you", "too"}) {
      const auto recipient = name + std::to_string(i) + "@far.test";
      const auto n = times_delivered(s, recipient);
      INFO(recipient);
      if (s.accepted.contains(i)) CHECK(n >= 1);
      if (t.disk_error_one_in == 0 && !interrupted) CHECK(n == s.accepted.count(i));
      // A disk that fails may forget what was delivered, but not again and again.
      CHECK(n <= 4);
      delivered += n;
    }
  }
  CHECK(delivered > 0);
  CHECK(std::ranges::all_of(s.remote->taken, is_whole));
  CHECK(s.relay.shut_down(1h));
  CHECK(s.relay.spooled().empty());
  CHECK(s.relay.large_files() == 0);
}

TEST_CASE("in the quiet world each message is delivered exactly once") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) run(seed, {});
}

TEST_CASE("connections that break at any place lose no message") {
  trouble t;
  t.reset_one_in = 15;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) run(seed, t);
}

TEST_CASE("a disk that fails now and then loses no message that was answered 250") {
  trouble t;
  t.disk_error_one_in = 150;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) run(seed, t);
}

TEST_CASE("broken connections, a failing disk and a power cut together lose no message") {
  trouble t;
  t.reset_one_in = 20;
  t.disk_error_one_in = 300;
  t.power_cuts = true;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) run(seed, t);
}

}  // namespace
}  // namespace relais::testing
