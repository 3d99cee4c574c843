// The fallback hosts of a route: not for what may have been delivered, and not all at once.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : delivery_scene {
  scene() {
    dns.zone["far.test"].mx.resize(1);
    dns.add_address("spare.test", "198.51.100.2");
    settings.retry.intervals = {1min};
    auto& row = settings.routes.emplace_back();
    row.name = "row";
    row.recipients = {"far.test"};
    row.fallback = {"[spare.test]:25"};
  }
};

TEST_CASE("a message whose end was not answered does not go to the fallback before its time") {
  std::size_t until_the_end = 0;
  {
    scene s;
    s.submit(scene::letter());
    REQUIRE(s.until([&] { return s.first->taken.size() == 1; }, 1min));
    until_the_end = s.first->octets_heard;
  }
  scene s;
  s.settings.routes[0].fallback_attempts = 1;
  s.first->cuts = {until_the_end};
  s.submit(scene::letter());
  // RFC 1047: it has been delivered, as far as anybody knows.
  s.run(9min);
  INFO(s.log.text());
  REQUIRE(s.first->taken.size() == 1);
  CHECK_FALSE(s.first->taken[0].is_answered);
  CHECK(s.log.count("status=deferred") == 1);
  CHECK(s.second->taken.empty());
  s.run(11min);
  CHECK(s.second->taken.size() == 1);
  CHECK(s.left() == 0);
}

TEST_CASE("thousands that go to the fallback at the same time let others have their turns") {
  constexpr std::size_t count = 2000;
  std::size_t in_turn = 0, most = 0, moved = 0;
  scene s;
  // One in four hours; two hours later all the others want to go elsewhere.
  s.settings.retry.queue_lifetime = 48h;
  s.settings.routes[0].messages = 1;
  s.settings.routes[0].rate_window = 4h;
  s.settings.routes[0].fallback_time = 2h;
  s.log.on_line = [&] {
    if (!has(s.log.lines.back(), "by the fallback of row")) return;
    ++moved;
    most = std::max(most, ++in_turn);
    // Behind all that was posted before: the others' turn.
    if (in_turn == 1) boost::asio::post(s.world.io, [&] { in_turn = 0; });
  };
  for (std::size_t i = 0; i < count; ++i) s.submit(scene::letter());
  s.run(1h);
  REQUIRE(moved == 0);
  REQUIRE(s.until([&] { return moved >= count - 10; }, 24h));
  CHECK(most <= 200);
  CHECK(s.first->taken.size() <= 10);
}

}  // namespace
}  // namespace relais::testing
