// The operator's hand on messages that are being delivered at that moment.
#include "session/operator_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using namespace operator_hand;

struct in_hand_scene : scene {
  explicit in_hand_scene(std::uint64_t seed) : scene(seed) {
    remote_comes_up();
    remote->silent = 1;
    relay.settings.client_timeout.greeting = 5min;
    relay.start();
    send({"you@far.test"});
    pass(20s);
    id = only_id();
  }
  std::string id;
};

TEST_CASE("what is held while it is being delivered is not tried again until it is released") {
  in_hand_scene s(11);
  CHECK(s.outcome("hold", s.id) == "held, but it is being delivered now");
  REQUIRE(s.until_deferred());
  s.pass(12h);
  CHECK(s.remote->taken.empty());
  CHECK(s.outcome("release", s.id) == "released");
  CHECK(s.until_taken(1, 15min));
  s.pass(2h);
  CHECK(s.remote->taken.size() == 1);
}

TEST_CASE("what is held and released during one attempt goes on when that is over, once") {
  in_hand_scene s(12);
  CHECK(s.outcome("hold", s.id) == "held, but it is being delivered now");
  CHECK(s.outcome("release", s.id) == "released, while it is still being delivered");
  REQUIRE(s.until_taken(1, 30min));
  s.pass(2h);
  CHECK(s.remote->taken.size() == 1);
}

TEST_CASE("what is removed while it is being delivered does not come back") {
  in_hand_scene s(13);
  CHECK(s.outcome("remove", s.id) == "removed, but it is being delivered now");
  CHECK(s.queue().empty());
  s.pass(12h);
  CHECK(s.remote->taken.empty());
  REQUIRE(s.relay.shut_down(5min));
  CHECK(s.relay.spooled().empty());
}

TEST_CASE("what is given up while it is being delivered bounces when that fails") {
  in_hand_scene s(14);
  CHECK(s.outcome("bounce", s.id) == "is being delivered now, bounced if that fails");
  REQUIRE(s.until_taken(1, 2h));
  CHECK(s.remote->taken[0].reverse_path.empty());
  s.pass(12h);
  CHECK(s.remote->taken.size() == 1);
  CHECK(s.queue().empty());
}

TEST_CASE("what is rerouted while it is being delivered takes its new way when that fails") {
  in_hand_scene s(15);
  CHECK(s.outcome("reroute", s.id, R"(,"next_hop":"[198.51.100.25]")") ==
        "is being delivered now, rerouted if that fails");
  REQUIRE(s.until_taken(1, 30min));
  CHECK(s.relay.log.count("status=deferred") == 1);
  CHECK(s.remote->taken[0].forward_paths == std::vector<std::string>{"you@far.test"});
}

TEST_CASE("orders for a message that is being delivered are carried out once") {
  in_hand_scene s(21);
  const std::string there = R"(,"next_hop":"[198.51.100.25]")";
  s.outcome("reroute", s.id, there);
  s.pass(5s);
  s.outcome("reroute", s.id, R"(,"next_hop":"")");
  s.outcome("hold", s.id);
  s.outcome("release", s.id);
  s.outcome("reroute", s.id, there);
  REQUIRE(s.until_taken(1, 30min));
  s.pass(12h);
  CHECK(s.remote->taken.size() == 1);
}

TEST_CASE("a release does not double the recipients that no route holds") {
  scene s(22);
  auto& row = s.relay.settings.routes.emplace_back();
  row.recipients = {"held.test"};
  row.action = config::route_action::hold;
  s.relay.start();
  s.send({"you@far.test", "her@held.test"});
  REQUIRE(s.until_deferred());
  const auto id = s.only_id();
  CHECK(s.outcome("release", id) == "is held by its route, reroute it");
  CHECK(s.outcome("reroute", id, R"(,"next_hop":"far.test")") == "rerouted");
  CHECK(s.outcome("release", id) == "released");
  s.remote_comes_up();
  s.pass(12h);
  std::map<std::string, int> taken;
  for (const auto& t : s.remote->taken)
    for (const auto& to : t.forward_paths) ++taken[to];
  CHECK(taken == std::map<std::string, int>{{"you@far.test", 1}, {"her@held.test", 1}});
}

TEST_CASE("a part of a message cannot take another way") {
  scene s(23);
  s.relay.start();
  s.send({"you@far.test", "her@dead.test"});
  REQUIRE(s.until_deferred(2));
  const auto id = s.only_id();
  CHECK(s.outcome("reroute", id,
                  R"(,"recipient":"dead.test","confirm":true,"next_hop":"far.test")") ==
        "has other recipients as well, give its id to send all there");
}

}  // namespace
}  // namespace relais::testing
