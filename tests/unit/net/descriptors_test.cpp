// The reserve of descriptors, counted and measured.
#include "net/descriptors.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

namespace relais::net {
namespace {

std::uint64_t none() {
  return 0;
}

TEST_CASE("connections are accepted until only the reserve is left") {
  descriptor_reserve reserve(10, 8, none);
  std::optional<descriptor_reserve::lease> first(reserve);
  CHECK(reserve.has_room());
  descriptor_reserve::lease second(reserve);
  CHECK_FALSE(reserve.has_room());
  CHECK(reserve.connections() == 2);
  // A lease that moves into a session is still one.
  std::optional<descriptor_reserve::lease> moved(std::move(*first));
  first.reset();
  CHECK(reserve.connections() == 2);
  moved.reset();
  CHECK(reserve.connections() == 1);
  CHECK(reserve.has_room());
}

TEST_CASE("descriptors that others have opened count") {
  std::uint64_t open = 7;
  const descriptor_reserve reserve(10, 2, [&] { return open; });
  CHECK(reserve.has_room());
  open = 8;
  CHECK_FALSE(reserve.has_room());
}

TEST_CASE("a reserve that is larger than the limit leaves no room") {
  CHECK_FALSE(descriptor_reserve(10, 10, none).has_room());
  CHECK_FALSE(descriptor_reserve(10, 11, none).has_room());
}

TEST_CASE("the lowest free descriptor tells how many are open") {
  const auto before = lowest_free_descriptor();
  CHECK(before < descriptor_limit());
  std::vector<int> opened;
  for (int i = 0; i < 10; ++i) opened.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto then = lowest_free_descriptor();
  CHECK(then >= before + 10);
  const descriptor_reserve reserve(then + 2, 2);
  CHECK_FALSE(reserve.has_room());
  ::close(opened.back());
  opened.pop_back();
  CHECK(reserve.has_room());
  for (const int d : opened) ::close(d);
  CHECK(lowest_free_descriptor() == before);
}

TEST_CASE("the limit is raised as far as the system allows") {
  const auto raised = raise_descriptor_limit();
  CHECK(raised >= 3);
  CHECK(raise_descriptor_limit() == raised);
  CHECK(descriptor_limit() == raised);
}

}  // namespace
}  // namespace relais::net
