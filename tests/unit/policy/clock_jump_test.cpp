// Jumps of the wall clock: forward, back, slow drift.
#include "policy/clock_jump.hpp"

#include <catch2/catch.hpp>

namespace relais::policy {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a jump of the wall clock suspends expiry for the grace time, a drift does not") {
  clock_jump watch;
  const steady_time now(1000h);
  const wall_time wall(500000h);
  CHECK(watch.may_expire(now, wall, 30min));
  SECTION("both clocks go on together") {
    CHECK(watch.may_expire(now + 5h, wall + 5h, 30min));
  }
  SECTION("a correction of minutes is none") {
    CHECK(watch.may_expire(now + 5h, wall + 5h + 50min, 30min));
  }
  SECTION("drift adds up to no jump") {
    for (int day = 1; day < 100; ++day)
      CHECK(watch.may_expire(now + day * 24h, wall + day * (24h + 1min), 30min));
  }
  for (const duration jump : {duration(24h * 30), duration(-24h * 30)}) {
    SECTION(jump > duration{0} ? "forward" : "back") {
      const auto jumped = wall + std::chrono::duration_cast<std::chrono::microseconds>(jump);
      CHECK_FALSE(watch.may_expire(now, jumped, 30min));
      CHECK_FALSE(watch.may_expire(now + 29min, jumped + 29min, 30min));
      CHECK(watch.may_expire(now + 30min, jumped + 30min, 30min));
    }
  }
}

}  // namespace
}  // namespace relais::policy
