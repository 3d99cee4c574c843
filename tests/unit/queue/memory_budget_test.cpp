// The budget of memory for content: what is leased, given back, and how scarce it is.
#include "queue/memory_budget.hpp"

#include <catch2/catch.hpp>

namespace relais::queue {
namespace {

TEST_CASE("leases together never exceed the budget, and go back when they end") {
  memory_budget budget(1000);
  {
    memory_lease a(budget), b(budget);
    CHECK(a.cover(600));
    CHECK_FALSE(b.cover(401));
    CHECK(b.octets() == 0);
    CHECK(b.cover(400));
    CHECK(budget.used() == 1000);
    CHECK(a.cover(600));
    CHECK_FALSE(a.cover(601));
    memory_lease c = std::move(a);
    CHECK(c.octets() == 600);
    c = memory_lease();
    CHECK(budget.used() == 400);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("a large lease grows in steps, or exactly where a step is too much") {
  memory_budget budget(200 * 1024);
  memory_lease lease(budget);
  CHECK(lease.cover(65 * 1024));
  CHECK(lease.octets() == 128 * 1024);
  CHECK(lease.cover(199 * 1024));
  CHECK(lease.octets() == 199 * 1024);
  CHECK_FALSE(lease.cover(201 * 1024));
  CHECK(lease.octets() == 199 * 1024);
}

TEST_CASE("a lease that shrinks gives back what is above") {
  memory_budget budget(1000);
  memory_lease lease(budget);
  REQUIRE(lease.cover(800));
  lease.shrink(900);
  CHECK(lease.octets() == 800);
  lease.shrink(300);
  CHECK(lease.octets() == 300);
  CHECK(budget.used() == 300);
}

TEST_CASE("pressure rises at a half, at three quarters and at seven eighths") {
  memory_budget budget(1000);
  memory_lease lease(budget);
  CHECK(pressure_of(budget) == memory_pressure::none);
  REQUIRE(lease.cover(499));
  CHECK(pressure_of(budget) == memory_pressure::none);
  REQUIRE(lease.cover(500));
  CHECK(pressure_of(budget) == memory_pressure::elevated);
  REQUIRE(lease.cover(749));
  CHECK(pressure_of(budget) == memory_pressure::elevated);
  REQUIRE(lease.cover(750));
  CHECK(pressure_of(budget) == memory_pressure::high);
  REQUIRE(lease.cover(874));
  CHECK(pressure_of(budget) == memory_pressure::high);
  REQUIRE(lease.cover(875));
  CHECK(pressure_of(budget) == memory_pressure::extreme);
}

}  // namespace
}  // namespace relais::queue
