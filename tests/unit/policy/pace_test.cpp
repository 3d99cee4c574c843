// At most so many within a time: properties of the bucket.
#include "policy/pace.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace relais;
using namespace std::chrono_literals;
using policy::pace;

namespace {

/// When each of `count` went, for somebody who always wants the next one `wait()` later.
std::vector<steady_time> times(pace p, steady_time from, std::size_t count, auto wait) {
  std::vector<steady_time> all;
  auto now = from;
  for (std::size_t i = 0; i < count; ++i) {
    now = std::max(now + wait(), p.next(now));
    p.took(now);
    all.push_back(now);
  }
  return all;
}

}  // namespace

TEST_CASE("without a limit everything goes at once") {
  for (const auto& p : {pace(), pace(0, 1min), pace(5, 0s)}) {
    CHECK_FALSE(p.is_limited());
    auto copy = p;
    copy.took(steady_time{5s});
    CHECK(copy.next(steady_time{5s}) <= steady_time{5s});
  }
}

TEST_CASE("six a minute go every ten seconds") {
  const auto gone = times(pace(6, 1min), steady_time{100s}, 4, [] { return 0s; });
  CHECK(gone ==
        std::vector{steady_time{100s}, steady_time{110s}, steady_time{120s}, steady_time{130s}});
}

TEST_CASE("a tenth of the limit may go at once after a pause") {
  const auto gone = times(pace(60, 1min), steady_time{100s}, 8, [] { return 0s; });
  CHECK(gone[5] == steady_time{100s});
  CHECK(gone[6] == steady_time{101s});
  CHECK(gone[7] == steady_time{102s});
}

TEST_CASE("no window has more than the limit and its burst and none is left waiting for long") {
  std::mt19937 rng(3);
  for (int run = 0; run < 60; ++run) {
    const std::uint64_t limit = 1 + rng() % 50;
    const duration window{static_cast<duration::rep>(1'000'000'000 + rng() * (rng() % 20))};
    const auto burst = std::max<std::uint64_t>(limit / 10, 1);
    const auto lull = window / static_cast<duration::rep>(limit) * 2;
    const auto wait = [&] {
      return rng() % 3 == 0 ? duration{static_cast<duration::rep>(
                                  rng() % static_cast<std::uint64_t>(lull.count()))}
                            : duration{0};
    };
    const auto gone = times(pace(limit, window), steady_time{1h}, 400, wait);
    for (std::size_t first = 0; first < gone.size(); ++first) {
      const auto end = std::ranges::upper_bound(gone, gone[first] + window);
      CHECK(static_cast<std::uint64_t>(end - gone.begin()) - first <= limit + burst);
    }
  }
}

TEST_CASE("whoever waits gets the full rate") {
  const auto slow = times(pace(3, 1s), steady_time{1h}, 301, [] { return duration{0}; });
  CHECK(slow.back() - slow.front() >= 100s);
  CHECK(slow.back() - slow.front() < 101s);
}
