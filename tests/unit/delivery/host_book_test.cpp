// What is remembered of hosts, and for how long.
#include "delivery/host_book.hpp"

#include <catch2/catch.hpp>

namespace relais::delivery {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000h};

host_failure refused(bool for_good = false) {
  host_failure f;
  f.status = "4.4.1";
  f.reason = "connect to a: Connection refused";
  f.refuses = for_good;
  return f;
}

host_book small(std::size_t maximum = 100) {
  host_book_options o;
  o.maximum = maximum;
  o.retry = 10min;
  o.clear = 1h;
  o.unpipelined = 24h;
  o.warning = 1h;
  return host_book(o);
}

TEST_CASE("a host of which nothing is known is as good as any") {
  const auto s = small().look_up("192.0.2.1:25", start);
  CHECK_FALSE((s.is_dead || s.is_slow || s.is_clear || s.is_unpipelined || s.refuses));
}

TEST_CASE("each lesson holds for its time and not longer") {
  struct row {
    std::string name;
    void (*learn)(host_book&);
    bool host_standing::* shows;
    duration holds;
  };
  const auto r = GENERATE(values<row>({
      {"dead", [](host_book& b) { b.failed("a", start, refused()); }, &host_standing::is_dead,
       10min},
      {"refuses", [](host_book& b) { b.failed("a", start, refused(true)); },
       &host_standing::refuses, 10min},
      {"slow", [](host_book& b) { b.was_slow("a", start); }, &host_standing::is_slow, 10min},
      {"clear", [](host_book& b) { b.fell_back("a", start); }, &host_standing::is_clear, 1h},
      {"unpipelined", [](host_book& b) { b.broke_pipelining("a", start); },
       &host_standing::is_unpipelined, 24h},
  }));
  DYNAMIC_SECTION(r.name) {
    auto book = small();
    r.learn(book);
    CHECK(book.look_up("a", start).*r.shows);
    CHECK(book.look_up("a", start + r.holds - 1ns).*r.shows);
    CHECK_FALSE(book.look_up("a", start + r.holds).*r.shows);
    CHECK_FALSE(book.look_up("b", start).*r.shows);
  }
}

TEST_CASE("a host that works is not dead any more and all else is kept") {
  auto book = small();
  book.failed("a", start, refused(true));
  book.fell_back("a", start);
  book.worked("a", start + 1min);
  const auto s = book.look_up("a", start + 1min);
  CHECK_FALSE(s.is_dead);
  CHECK_FALSE(s.refuses);
  CHECK(s.is_clear);
  CHECK(book.failure_of("a", start + 1min) == nullptr);
}

TEST_CASE("a host that just works costs no memory") {
  auto book = small();
  book.worked("a", start);
  CHECK(book.size() == 0);
}

TEST_CASE("why a host is dead is told while it is") {
  auto book = small();
  book.failed("a", start, refused());
  REQUIRE(book.failure_of("a", start) != nullptr);
  CHECK(book.failure_of("a", start)->reason == "connect to a: Connection refused");
  CHECK(book.failure_of("a", start + 10min) == nullptr);
  CHECK(book.failure_of("b", start) == nullptr);
  // A later failure prolongs it, and its reason counts.
  auto later = refused();
  later.reason = "timeout";
  book.failed("a", start + 9min, later);
  CHECK(book.failure_of("a", start + 18min)->reason == "timeout");
  CHECK(book.look_up("a", start + 18min).failed_at == start + 9min);
}

TEST_CASE("one warning per hour and host") {
  auto book = small();
  CHECK(book.should_warn("a", start));
  CHECK_FALSE(book.should_warn("a", start + 59min));
  CHECK(book.should_warn("b", start + 59min));
  CHECK(book.should_warn("a", start + 1h));
}

TEST_CASE("a full book forgets the host about which nothing was learnt for the longest time") {
  auto book = small(2);
  book.failed("a", start, refused());
  book.failed("b", start + 1s, refused());
  book.was_slow("a", start + 2s);
  book.failed("c", start + 3s, refused());
  CHECK(book.size() == 2);
  CHECK(book.look_up("a", start + 3s).is_dead);
  CHECK_FALSE(book.look_up("b", start + 3s).is_dead);
  CHECK(book.look_up("c", start + 3s).is_dead);
}

TEST_CASE("visitors see the hosts of which something counts now") {
  auto book = small();
  book.failed("dead", start, refused());
  book.fell_back("clear", start);
  book.should_warn("warned", start);
  const auto seen = [&](steady_time when) {
    std::string all;
    book.visit(when, [&](const std::string& host, host_standing s, const host_failure&) {
      all += host + (s.is_dead ? "! " : " ");
    });
    return all;
  };
  CHECK(seen(start) == "clear dead! ");
  CHECK(seen(start + 10min) == "clear ");
  CHECK(seen(start + 1h).empty());
}

}  // namespace
}  // namespace relais::delivery
