// Greylisting: who waits for how long, who is known, what survives a restart or a torn file, and
// the memory of it.
#include "policy/greylist.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"

using namespace relais;
using namespace relais::policy;
using namespace std::chrono_literals;

namespace {

const digest secret{7, 7, 7};

config::greylist_settings usual() {
  config::greylist_settings s;
  s.enabled = true;
  s.delay = 5min;
  s.retry_window = 48h;
  s.lifetime = 36 * 24h;
  return s;
}

struct scene {
  greylist list;
  wall_time now{std::chrono::hours(24 * 20000)};
  explicit scene(greylist_bounds bounds = {}, const config::greylist_settings& s = usual())
      : list(s, secret, bounds) {}

  /// Seconds to wait; 0: welcome.
  std::int64_t ask(const std::string& client, const std::string& sender = "s@s.test",
                   const std::string& recipient = "r@r.test") {
    const auto from = sender.empty() ? smtp::path() : smtp::parse_address(sender).value();
    const auto wait =
        list.ask(*ip_address::parse(client), from, smtp::parse_address(recipient).value(), now);
    return wait ? wait->count() : 0;
  }
  void pass_time(duration d) { now += std::chrono::duration_cast<std::chrono::microseconds>(d); }
};

}  // namespace

TEST_CASE("the first message waits, the second one behind the delay is welcome") {
  scene s;
  CHECK(s.ask("192.0.2.1") == 300);
  s.pass_time(100s);
  CHECK(s.ask("192.0.2.1") == 200);
  s.pass_time(199s);
  CHECK(s.ask("192.0.2.1") == 1);
  s.pass_time(1s);
  CHECK(s.ask("192.0.2.1") == 0);
  CHECK(s.ask("192.0.2.1") == 0);
  CHECK(s.list.waiting() == 0);
  CHECK(s.list.known() == 1);
}

TEST_CASE("what is one triplet") {
  struct row {
    const char *name, *client, *sender, *recipient;
    bool same;
  };
  const auto r = GENERATE(values<row>({
      {"another address of the /24", "192.0.2.77", "s@s.test", "r@r.test", true},
      {"another /24", "192.0.3.1", "s@s.test", "r@r.test", false},
      {"another case", "192.0.2.1", "S@S.TEST", "R@r.Test", true},
      {"another sender", "192.0.2.1", "t@s.test", "r@r.test", false},
      {"another recipient", "192.0.2.1", "s@s.test", "q@r.test", false},
      {"the null sender", "192.0.2.1", "", "r@r.test", false},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s;
    CHECK(s.ask("192.0.2.1") == 300);
    s.pass_time(5min);
    CHECK((s.ask(r.client, r.sender, r.recipient) == 0) == r.same);
  }
}

TEST_CASE("the null sender waits like any other") {
  scene s;
  CHECK(s.ask("2001:db8::1", "") == 300);
  s.pass_time(5min);
  CHECK(s.ask("2001:db8::2", "") == 0);
}

TEST_CASE("who comes back too late begins anew") {
  scene s;
  s.ask("192.0.2.1");
  s.pass_time(48h + 1s);
  CHECK(s.ask("192.0.2.1") == 300);
  s.pass_time(48h);
  CHECK(s.ask("192.0.2.1") == 0);
}

TEST_CASE("a known triplet is known for its lifetime behind the last message") {
  scene s;
  s.ask("192.0.2.1");
  s.pass_time(5min);
  for (int i = 0; i < 5; ++i) {
    CHECK(s.ask("192.0.2.1") == 0);
    s.pass_time(36 * 24h);
  }
  CHECK(s.ask("192.0.2.1") == 0);
  s.pass_time(36 * 24h + 1s);
  CHECK(s.ask("192.0.2.1") == 300);
}

TEST_CASE("a network that passed with five triplets is known as a whole") {
  scene s;
  for (int i = 0; i < 5; ++i) s.ask("192.0.2.1", std::to_string(i) + "@s.test");
  s.pass_time(5min);
  for (int i = 0; i < 4; ++i) CHECK(s.ask("192.0.2.9", std::to_string(i) + "@s.test") == 0);
  CHECK(s.ask("192.0.2.9", "other@s.test") == 300);
  CHECK(s.ask("192.0.2.9", "4@s.test") == 0);
  CHECK(s.ask("192.0.2.200", "never@seen.test", "any@r.test") == 0);
  CHECK(s.ask("192.0.3.200", "never@seen.test", "any@r.test") == 300);
  s.pass_time(36 * 24h + 1s);
  CHECK(s.ask("192.0.2.200", "never@seen.test", "any@r.test") == 300);
}

TEST_CASE("a clock that is set back makes nobody wait longer than the delay") {
  scene s;
  s.ask("192.0.2.1");
  s.pass_time(-365 * 24h);
  CHECK(s.ask("192.0.2.1") == 300);
  s.pass_time(5min);
  CHECK(s.ask("192.0.2.1") == 0);
}

TEST_CASE("without a delay everybody is welcome") {
  auto settings = usual();
  settings.delay = 0s;
  scene s({}, settings);
  CHECK(s.ask("192.0.2.1") == 0);
}

TEST_CASE("what is remembered survives a restart, from lines or from a whole journal") {
  const bool rewritten = GENERATE(false, true);
  scene before;
  auto journal = before.list.whole();
  for (int i = 0; i < 5; ++i) before.ask("10.0.0.1", std::to_string(i) + "@s.test");
  before.ask("192.0.2.1");
  before.pass_time(5min);
  for (int i = 0; i < 5; ++i) before.ask("10.0.0.1", std::to_string(i) + "@s.test");
  before.ask("192.0.2.1");
  before.ask("198.51.100.1");
  journal += before.list.take_lines();
  CHECK(before.list.take_lines().empty());
  if (rewritten) journal = before.list.whole();

  REQUIRE(greylist::secret_of(journal) == secret);
  scene after;
  after.now = before.now;
  after.list.restore(journal, after.now);
  CHECK(after.list.waiting() == 1);
  CHECK(after.list.known() == 6);
  CHECK(after.ask("10.0.0.77", "new@s.test") == 0);
  CHECK(after.ask("192.0.2.1") == 0);
  CHECK(after.ask("192.0.2.1", "other@s.test") == 300);
  after.pass_time(299s);
  CHECK(after.ask("198.51.100.1") == 1);
  after.pass_time(1s);
  CHECK(after.ask("198.51.100.1") == 0);
}

TEST_CASE("a journal cut at any octet is read as far as it goes") {
  scene before;
  auto journal = before.list.whole();
  before.ask("192.0.2.1");
  before.pass_time(5min);
  before.ask("192.0.2.1");
  journal += before.list.take_lines();
  for (std::size_t length = 0; length <= journal.size(); ++length) {
    const auto cut = journal.substr(0, length);
    scene after;
    after.now = before.now;
    after.list.restore(cut, after.now);
    const auto whole_lines = std::count(cut.begin(), cut.end(), '\n');
    CHECK(after.list.waiting() == (whole_lines == 2 ? 1u : 0u));
    CHECK(after.list.known() == (whole_lines >= 3 ? 1u : 0u));
    CHECK(after.list.networks() == (whole_lines >= 4 ? 1u : 0u));
    CHECK(greylist::secret_of(cut).has_value() == (whole_lines >= 1));
  }
}

TEST_CASE("lines that make no sense are skipped, and what is over is not taken in") {
  scene s;
  const auto key = std::string(32, 'a');
  const auto now = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(s.now.time_since_epoch()).count());
  auto journal = s.list.whole();
  struct row {
    std::string line;
    std::size_t waiting, known, networks;
  };
  const auto r = GENERATE_COPY(values<row>({
      {"w " + key + " " + now, 1, 0, 0},
      {"k " + key + " " + now, 0, 1, 0},
      {"n " + key + " " + now + " 3", 0, 0, 1},
      {"k " + key + " 99999999999999999", 0, 1, 0},  // from a clock that ran ahead
      {"k " + key + " 99999999999999999999", 0, 0, 0},
      {"w " + key + " 5", 0, 0, 0},
      {"k " + key + " 5", 0, 0, 0},
      {"n " + key + " 5 3", 0, 0, 0},
      {"n " + key + " " + now, 0, 0, 0},
      {"n " + key + " " + now + " x", 0, 0, 0},
      {"k " + key + " " + now + " 3", 0, 0, 0},
      {"k " + key, 0, 0, 0},
      {"x " + key + " " + now, 0, 0, 0},
      {"k " + key.substr(1) + " " + now, 0, 0, 0},
      {"k " + std::string(32, 'A') + " " + now, 0, 0, 0},
      {"", 0, 0, 0},
      {std::string(100, '\0'), 0, 0, 0},
      {"w " + key + " " + now + "\nk " + key + " " + now, 0, 1, 0},
  }));
  journal += r.line + "\nk " + std::string(32, 'b') + " " + now + "\n";
  s.list.restore(journal, s.now);
  CHECK(s.list.waiting() == r.waiting);
  CHECK(s.list.known() == r.known + 1);
  CHECK(s.list.networks() == r.networks);
}

TEST_CASE("a journal of another secret or of something else is not read") {
  scene s;
  s.ask("192.0.2.1");
  const auto journal = s.list.whole();
  greylist other(usual(), digest{1});
  other.restore(journal, s.now);
  CHECK(other.waiting() == 0);
  for (const auto* text : {"", "\n", "relais-greylist 1 \n", "relais-greylist 2 00\n", "hello\n"}) {
    CHECK_FALSE(greylist::secret_of(text).has_value());
    other.restore(text, s.now);
  }
}

TEST_CASE("a stream of strangers does not push out those who are known") {
  greylist_bounds bounds;
  bounds.waiting = 100;
  bounds.known = 10;
  bounds.networks = 5;
  scene s(bounds);
  s.ask("192.0.2.1");
  s.pass_time(5min);
  CHECK(s.ask("192.0.2.1") == 0);
  for (unsigned i = 0; i < 5000; ++i) s.ask(ip_address::v4(0x0a000000 + 256 * i).text());
  CHECK(s.list.waiting() == 100);
  CHECK(s.list.known() == 1);
  CHECK(s.ask("192.0.2.1") == 0);
  s.pass_time(5min);
  for (unsigned i = 4950; i < 5000; ++i) s.ask(ip_address::v4(0x0a000000 + 256 * i).text());
  CHECK(s.list.known() == 10);
  CHECK(s.list.networks() == 5);
}

TEST_CASE("the journal asks to be rewritten before it grows without end") {
  greylist_bounds bounds;
  bounds.waiting = 100;
  scene s(bounds);
  std::size_t lines = 0, rewritten = 0;
  for (unsigned i = 0; i < 50'000; ++i) {
    s.ask(ip_address::v4(0x0a000000 + 256 * i).text());
    const auto text = s.list.take_lines();
    lines += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (!s.list.is_journal_long()) continue;
    const auto all = s.list.whole();
    lines = static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
    ++rewritten;
    REQUIRE(lines == 101);
  }
  CHECK(lines < 11'000);
  CHECK(rewritten >= 4);
}

TEST_CASE("a triplet in daily use is not written for each message") {
  scene s;
  s.ask("192.0.2.1");
  s.pass_time(5min);
  s.ask("192.0.2.1");
  s.list.take_lines();
  for (int i = 0; i < 1000; ++i) {
    s.pass_time(1min);
    s.ask("192.0.2.1");
  }
  CHECK(s.list.take_lines().empty());
  s.pass_time(28h);
  s.ask("192.0.2.1");
  CHECK(s.list.take_lines().starts_with("k "));
}

TEST_CASE("a damaged journal brings nothing that was not in it, and breaks nothing") {
  scene before;
  auto journal = before.list.whole();
  for (int i = 0; i < 20; ++i) before.ask("10.0.0.1", std::to_string(i) + "@s.test");
  before.pass_time(5min);
  for (int i = 0; i < 20; ++i) before.ask("10.0.0.1", std::to_string(i) + "@s.test");
  journal += before.list.take_lines();
  seeded_random rng(11);
  for (int round = 0; round < 500; ++round) {
    auto damaged = journal;
    for (auto flips = 1 + rng.below(20); flips > 0; --flips)
      damaged[rng.below(damaged.size())] = static_cast<char>(rng.next());
    scene after;
    after.now = before.now;
    after.list.restore(damaged, after.now);
    REQUIRE(after.list.waiting() + after.list.known() <= 50);
    const auto wait = after.ask("198.51.100.1");
    REQUIRE(wait == 300);
  }
}
