// How many connections a destination bears: properties that hold whatever happens.
#include "policy/concurrency.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using relais::policy::concurrency;

TEST_CASE("it begins with the initial limit within one and the ceiling") {
  struct row {
    std::size_t initial, ceiling, limit;
  };
  const auto r =
      GENERATE(values<row>({{2, 20, 2}, {0, 20, 1}, {50, 20, 20}, {2, 0, 1}, {0, 0, 1}}));
  CHECK(concurrency(r.initial, r.ceiling).limit() == r.limit);
}

TEST_CASE("it doubles with each round of successes up to the ceiling") {
  concurrency c(2, 20);
  for (const std::size_t expected : {4u, 8u, 16u, 20u, 20u}) {
    for (std::size_t i = c.limit(); i > 0; --i) c.succeeded();
    CHECK(c.limit() == expected);
  }
}

TEST_CASE("behind a pushback it has half of what was open and grows by one in each round") {
  concurrency c(16, 20);
  c.pushed_back(16);
  CHECK(c.limit() == 8);
  for (std::size_t expected = 9; expected <= 20; ++expected) {
    for (std::size_t i = c.limit(); i > 1; --i) {
      c.succeeded();
      CHECK(c.limit() == expected - 1);
    }
    c.succeeded();
    CHECK(c.limit() == expected);
  }
}

TEST_CASE("one storm counts once") {
  concurrency c(16, 20);
  for (std::size_t open = 16; open > 8; --open) c.pushed_back(open);  // eight of sixteen are closed
  CHECK(c.limit() == 8);
  c.pushed_back(8);
  CHECK(c.limit() == 4);
}

TEST_CASE("a failure begins with one again and doubles up to half of what was") {
  concurrency c(16, 20);
  c.failed();
  CHECK(c.limit() == 1);
  for (int i = 0; i < 7; ++i) c.succeeded();
  CHECK(c.limit() == 8);
  c.succeeded();
  CHECK(c.limit() == 8);
  c.failed();
  c.failed();
  CHECK(c.limit() == 1);
  c.succeeded();
  CHECK(c.limit() == 2);
}

TEST_CASE("it is never below one nor above the ceiling and never grows by bad news") {
  std::mt19937 rng(1);
  for (int run = 0; run < 200; ++run) {
    const std::size_t ceiling = rng() % 40, initial = rng() % 50;
    concurrency c(initial, ceiling);
    for (int step = 0; step < 500; ++step) {
      const auto before = c.limit();
      switch (rng() % 8) {
        case 0: {
          const std::size_t open = rng() % (before + 3);
          c.pushed_back(open);
          CHECK(c.limit() <= before);
          break;
        }
        case 1:
          if (rng() % 5 == 0) c.failed();
          CHECK(c.limit() <= before);
          break;
        default:
          c.succeeded();
          CHECK(c.limit() >= before);
          CHECK(c.limit() <= before + 1);
      }
      CHECK(c.limit() >= 1);
      CHECK(c.limit() <= std::max<std::size_t>(ceiling, 1));
    }
  }
}

TEST_CASE("it reaches the ceiling again whatever happened before") {
  std::mt19937 rng(2);
  concurrency c(2, 20);
  for (int step = 0; step < 300; ++step) rng() % 3 == 0 ? c.failed() : c.pushed_back(rng() % 20);
  for (int i = 0; i < 20 * 21 / 2; ++i) c.succeeded();
  CHECK(c.limit() == 20);
}

TEST_CASE("a peer that refuses one more is asked for it ever more rarely, and keeps the others") {
  concurrency c(2, 20);
  c.succeeded();
  c.succeeded();
  REQUIRE(c.limit() == 4);
  std::size_t last = 0;
  for (int round = 0; round < 4; ++round) {
    c.had_enough(3);
    REQUIRE(c.limit() == 3);
    std::size_t successes = 0;
    while (c.limit() == 3) {
      c.succeeded();
      ++successes;
    }
    CHECK(successes >= 2 * last);
    CHECK(c.limit() == 4);
    last = successes;
  }
  // It bears more again: the patience ends.
  for (std::size_t i = 0; i < 4 * last + 5; ++i) c.succeeded();
  CHECK(c.limit() > 5);
  c.had_enough(30);  // more than the limit: of before it shrank
  CHECK(c.limit() > 5);
}
