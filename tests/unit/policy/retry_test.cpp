// The retry schedule: intervals, jitter, the end of a lifetime, clocks that jump.
#include "policy/retry.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace relais::policy;
using namespace std::chrono_literals;

namespace {

const wall_time arrival{std::chrono::hours(500000)};

retry_schedule schedule(unsigned jitter) {
  return {{2min, 5min, 1h}, jitter, 120h, 24h, {4h, 24h}};
}

/// Always the least or the greatest value that random::below() can give.
class edge_random final : public relais::random {
 public:
  explicit edge_random(bool high) : high_(high) {}
  // below(bound) takes the rest by bound: search for the edge by counting up.
  std::uint64_t next() override { return high_ ? top_ : 0; }
  void aim(std::uint64_t bound) { top_ = bound - 1; }

 private:
  bool high_;
  std::uint64_t top_ = 0;
};

duration wait(const retry_schedule& s, unsigned attempts, relais::random& rng) {
  return next_attempt(s, attempts, retry_reason::usual, arrival, arrival + 1s, false, rng) -
         (arrival + 1s);
}

}  // namespace

TEST_CASE("each failure has its interval, the last one repeats") {
  seeded_random rng(1);
  const auto s = schedule(0);
  CHECK(wait(s, 0, rng) == 2min);  // nobody counts from zero; if they do, it is the first
  CHECK(wait(s, 1, rng) == 2min);
  CHECK(wait(s, 2, rng) == 5min);
  CHECK(wait(s, 3, rng) == 1h);
  CHECK(wait(s, 4, rng) == 1h);
  CHECK(wait(s, 4000000000U, rng) == 1h);
  CHECK(wait({{}, 0, 120h, 24h, {}}, 1, rng) == 30min);
}

TEST_CASE("jitter stays in its bounds and reaches both of them") {
  const auto s = schedule(20);
  edge_random low(false), high(true);
  high.aim(2 * 12 * 60 * 1000000000ULL + 1);  // 20 % of an hour, both ways, in nanoseconds
  CHECK(wait(s, 3, low) == 48min);
  CHECK(wait(s, 3, high) == 72min);

  seeded_random rng(7);
  double sum = 0;
  bool below = false, above = false;
  for (int i = 0; i < 2000; ++i) {
    const auto w = wait(s, 3, rng);
    REQUIRE(w >= 48min);
    REQUIRE(w <= 72min);
    below |= w < 52min;
    above |= w > 68min;
    sum += std::chrono::duration<double>(w).count();
  }
  CHECK(below);
  CHECK(above);
  CHECK(sum / 2000 == Approx(3600).epsilon(0.02));
}

TEST_CASE("more than 100 percent of jitter is 100 percent: never before now") {
  seeded_random rng(7);
  for (int i = 0; i < 2000; ++i) {
    const auto w = wait(schedule(1000), 3, rng);
    REQUIRE(w >= 0s);
    REQUIRE(w <= 2h);
  }
}

TEST_CASE("the last attempt happens at the end of the lifetime") {
  seeded_random rng(1);
  const auto s = schedule(20);
  const auto next = [&](duration age, bool is_report) {
    const auto now = arrival + std::chrono::duration_cast<std::chrono::microseconds>(age);
    return next_attempt(s, 9, retry_reason::usual, arrival, now, is_report, rng) - arrival;
  };
  CHECK(next(120h - 10min, false) == 120h);
  CHECK(next(120h - 1us, false) == 120h);
  CHECK(next(24h - 10min, true) == 24h);
  CHECK(next(24h - 10min, false) < 26h);
  CHECK(next(24h - 10min, false) > 24h);
  CHECK(next(120h, false) == 120h);  // over: due now, and is_expired() says what that means
  CHECK(next(130h, false) == 130h);
}

TEST_CASE("a message expires at the end of its lifetime, a report of its own") {
  const auto s = schedule(20);
  CHECK_FALSE(is_expired(s, arrival, arrival, false));
  CHECK_FALSE(is_expired(s, arrival, arrival + 120h - 1us, false));
  CHECK(is_expired(s, arrival, arrival + 120h, false));
  CHECK_FALSE(is_expired(s, arrival, arrival + 24h - 1us, true));
  CHECK(is_expired(s, arrival, arrival + 24h, true));
  CHECK(is_expired({{}, 0, 0s, 0s, {}}, arrival, arrival, false));
}

TEST_CASE("a clock that jumped back expires nothing and keeps the interval") {
  seeded_random rng(1);
  const auto s = schedule(0);
  const auto now = arrival - 1000h;
  CHECK_FALSE(is_expired(s, arrival, now, false));
  CHECK_FALSE(is_expired({{}, 0, 0s, 0s, {}}, arrival, now, false));
  CHECK(next_attempt(s, 2, retry_reason::usual, arrival, now, false, rng) == now + 5min);
}

TEST_CASE("a schedule played to its end has the expected attempts") {
  seeded_random rng(3);
  const auto s = schedule(0);
  auto now = arrival;
  unsigned attempts = 1;
  while (!is_expired(s, arrival, now, true)) {
    const auto next = next_attempt(s, attempts, retry_reason::usual, arrival, now, true, rng);
    REQUIRE(next > now);
    now = next;
    ++attempts;
  }
  CHECK(now == arrival + 24h);
  CHECK(attempts == 27);  // the first, +2 min, +7 min, then each hour (23 times), and the last one
}

TEST_CASE("the reason of a failure moves the next attempt") {
  struct row {
    std::string name;
    retry_reason why;
    unsigned attempts;
    duration age, wait;
  };
  const auto r = GENERATE(values<row>({
      {"usual", retry_reason::usual, 3, 1s, 1h},
      {"greylisted at first", retry_reason::greylisted, 1, 1s, 2min},
      {"greylisted behind days of silence", retry_reason::greylisted, 5, 48h, 2min},
      {"greylisted again and again", retry_reason::greylisted, 6, 1h, 1h},
      {"lost at first", retry_reason::lost_content, 1, 1s, 10min},
      {"lost later", retry_reason::lost_content, 3, 1h, 1h},
      {"lost at the end of the lifetime", retry_reason::lost_content, 3, 120h - 1min, 10min},
      {"greylisted at the end of the lifetime", retry_reason::greylisted, 3, 120h - 1min, 1min},
  }));
  DYNAMIC_SECTION(r.name) {
    seeded_random rng(1);
    const auto now = arrival + std::chrono::duration_cast<wall_time::duration>(r.age);
    CHECK(next_attempt(schedule(0), r.attempts, r.why, arrival, now, false, rng) - now == r.wait);
  }
}

TEST_CASE("no jitter brings a lost content back before ten minutes") {
  seeded_random rng(4);
  retry_schedule s{{10min}, 100, 120h, 24h, {}};
  for (int i = 0; i < 500; ++i) {
    const auto at = next_attempt(s, 1, retry_reason::lost_content, arrival, arrival, false, rng);
    REQUIRE(at >= arrival + 10min);
    REQUIRE(at <= arrival + 20min);
  }
}

TEST_CASE(
    "whatever the schedule says the next attempt is not in the past and within the lifetime") {
  seeded_random rng(9);
  for (int i = 0; i < 5000; ++i) {
    retry_schedule s;
    for (auto n = rng.below(4); n > 0; --n)
      s.intervals.emplace_back(std::chrono::seconds(rng.below(100000)));
    s.jitter_percent = static_cast<unsigned>(rng.below(150));
    s.lifetime = std::chrono::seconds(rng.below(1000000));
    s.bounce_lifetime = std::chrono::seconds(rng.below(1000000));
    const auto why = static_cast<retry_reason>(rng.below(3));
    const bool is_report = rng.below(2) == 0;
    const auto now = arrival + std::chrono::seconds(rng.below(1200000));
    const auto attempts = static_cast<unsigned>(rng.below(12));
    const auto at = next_attempt(s, attempts, why, arrival, now, is_report, rng);
    REQUIRE(at >= now);
    const auto end = deadline(s, arrival, 0, is_report);
    const auto least = why == retry_reason::lost_content ? now + 10min : now;
    REQUIRE(at <= std::max<wall_time>(least, end));
    REQUIRE(is_expired(s, arrival, now, is_report) == (now >= end));
  }
}

TEST_CASE("the deadline is the next warning or the end of the lifetime") {
  const auto s = schedule(20);
  CHECK(deadline(s, arrival, 0, false) == arrival + 4h);
  CHECK(deadline(s, arrival, 1, false) == arrival + 24h);
  CHECK(deadline(s, arrival, 2, false) == arrival + 120h);
  CHECK(deadline(s, arrival, 200, false) == arrival + 120h);
  CHECK(deadline(s, arrival, 0, true) == arrival + 24h);
  auto brief = s;
  brief.lifetime = 1h;
  CHECK(deadline(brief, arrival, 0, false) == arrival + 1h);
}

TEST_CASE("warnings are due at their ages") {
  const auto s = schedule(20);
  CHECK(warnings_due(s, arrival, arrival - 1h) == 0);
  CHECK(warnings_due(s, arrival, arrival + 4h - 1us) == 0);
  CHECK(warnings_due(s, arrival, arrival + 4h) == 1);
  CHECK(warnings_due(s, arrival, arrival + 24h) == 2);
  CHECK(warnings_due({{}, 0, 0s, 0s, {}}, arrival, arrival + 24h) == 0);
}

TEST_CASE("a destination that fails is left alone for longer and longer") {
  seeded_random rng(2);
  CHECK(probe_interval(schedule(0), 1, rng) == 2min);
  CHECK(probe_interval(schedule(0), 2, rng) == 5min);
  CHECK(probe_interval(schedule(0), 60000, rng) == 1h);
  // Never at once: a schedule of nothing must not become a loop.
  CHECK(probe_interval({{0s}, 0, 0s, 0s, {}}, 1, rng) == 1s);
  for (int i = 0; i < 500; ++i) {
    const auto wait = probe_interval(schedule(20), 3, rng);
    REQUIRE(wait >= 48min);
    REQUIRE(wait <= 72min);
  }
}
