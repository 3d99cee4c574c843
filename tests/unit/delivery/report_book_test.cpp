// Reports to one reverse-path: so many within a window, the rest in later ones, up to a horizon.
#include "delivery/report_book.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "base/random.hpp"

using namespace relais;
using namespace relais::delivery;
using namespace std::chrono_literals;

namespace {

config::settings settings_with(std::uint64_t limit, duration window) {
  config::settings s;
  s.report.limit = limit;
  s.report.limit_window = window;
  s.retry.bounce_lifetime = 3h;
  return s;
}

const steady_time start{100h};

}  // namespace

TEST_CASE("within the limit reports go at once, beyond it in the next windows") {
  report_book book(settings_with(2, 1h));
  CHECK(book.take("a@b.example", start, true) == 0s);
  CHECK(book.take("A@B.example", start + 10min, true) == 0s);
  CHECK(book.take("a@b.example", start + 20min, true) == 40min);
  CHECK(book.take("a@b.example", start + 30min, true) == 30min);
  CHECK(book.take("a@b.example", start + 30min, true) == 90min);
  CHECK(book.take("c@d.example", start + 30min, true) == 0s);
  // The windows that were filled ahead are not forgotten when they come.
  CHECK(book.take("a@b.example", start + 65min, true) == 55min);
  CHECK(book.take("a@b.example", start + 65min, true) == 115min);
  CHECK(book.take("a@b.example", start + 10h, true) == 0s);
}

TEST_CASE("what may not wait and what would wait too long is refused") {
  report_book book(settings_with(1, 1h));
  CHECK(book.take("a@b.example", start, false) == 0s);
  CHECK_FALSE(book.take("a@b.example", start, false));
  CHECK(book.take("a@b.example", start, true) == 1h);
  CHECK_FALSE(book.take("a@b.example", start, false));
  CHECK(book.take("a@b.example", start, true) == 2h);
  CHECK(book.take("a@b.example", start, true) == 3h);
  CHECK_FALSE(book.take("a@b.example", start, true));
  CHECK_FALSE(book.take("a@b.example", start, true));
  CHECK(book.take("a@b.example", start + 1h, true) == 3h);
}

TEST_CASE("a place that was given back is there again") {
  report_book book(settings_with(1, 1h));
  CHECK(book.take("a@b.example", start, true) == 0s);
  book.give_back("A@b.example");
  CHECK(book.take("a@b.example", start, true) == 0s);
  book.give_back("nobody@b.example");
}

TEST_CASE("no limit is no limit, and an odd window does no harm") {
  report_book free(settings_with(0, 1h));
  for (int i = 0; i < 1000; ++i) REQUIRE(free.take("a@b.example", start, false) == 0s);
  report_book odd(settings_with(1, 0s));
  CHECK(odd.take("a@b.example", start, true) == 0s);
  CHECK(odd.take("a@b.example", start, true) == 1s);
}

TEST_CASE("the table is bounded: who was reported to longest ago is forgotten") {
  report_book book(settings_with(1, 1h), 2);
  CHECK(book.take("a@x.example", start, false) == 0s);
  CHECK(book.take("b@x.example", start, false) == 0s);
  CHECK_FALSE(book.take("a@x.example", start, false));
  CHECK(book.take("c@x.example", start, false) == 0s);
  CHECK_FALSE(book.take("a@x.example", start, false));
  CHECK(book.take("b@x.example", start, false) == 0s);
}

TEST_CASE("whenever they come no window sees more than the limit") {
  seeded_random rng(3);
  for (int round = 0; round < 50; ++round) {
    const auto limit = 1 + rng.below(5);
    report_book book(settings_with(limit, 1h));
    std::map<steady_time, std::uint64_t> sent;
    auto now = start;
    for (int i = 0; i < 400; ++i) {
      now += std::chrono::seconds(rng.below(rng.below(2) == 0 ? 60 : 3000));
      const auto wait = book.take("a@b.example", now, true);
      if (!wait) continue;
      REQUIRE(*wait <= 3h);
      ++sent[now + *wait];
    }
    // Any hour holds parts of two windows at most.
    for (auto from = sent.begin(); from != sent.end(); ++from) {
      std::uint64_t within = 0;
      for (auto at = from; at != sent.end() && at->first < from->first + 1h; ++at)
        within += at->second;
      REQUIRE(within <= 2 * limit);
    }
  }
}
