// The operator's hand on a relay that delivers: messages that wait, that stall behind a dead or
// suspended destination.
#include "session/operator_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using namespace operator_hand;

TEST_CASE("the list says where a message goes and why it waits") {
  waiting_scene s(1);
  const auto all = s.queue();
  const auto& r = all[0].at("recipients").as_array()[0].as_object();
  CHECK(r.at("address") == "you@far.test");
  CHECK(r.at("next_hop") == "far.test");
  CHECK(r.at("attempts") == 1);
  CHECK(r.at("destination").at("state") == "down");
  CHECK_FALSE(r.at("destination").at("until").is_null());
  const auto status = s.get("/v1/status");
  CHECK(status.at("queue").at("messages") == 1);
  CHECK(status.at("destinations").at("down") == 1);
  CHECK(status.at("destinations").at("closed").as_array()[0].at("destination") == "far.test");
}

TEST_CASE("a waiting message that is held stays, and goes at once when it is released") {
  waiting_scene s(2);
  CHECK(s.outcome("hold", s.id) == "held");
  CHECK(s.outcome("hold", s.id) == "was held already");
  s.remote_comes_up();
  s.pass(12h);
  CHECK(s.remote->taken.empty());
  CHECK(s.outcome("retry", s.id) == "is held, release it");
  CHECK(s.outcome("release", s.id) == "released");
  CHECK(s.until_taken(1, 2min));
  s.pass(1h);
  CHECK(s.remote->taken.size() == 1);
  CHECK(s.queue().empty());
}

TEST_CASE("what is held stays held over a restart") {
  waiting_scene s(3);
  s.outcome("hold", s.id);
  REQUIRE(s.relay.shut_down(5min));
  s.remote_comes_up();
  s.relay.start();
  s.pass(12h);
  CHECK(s.remote->taken.empty());
  CHECK(s.outcome("release", s.id) == "released");
  CHECK(s.until_taken(1, 2min));
}

TEST_CASE("a message that is removed is gone, and nobody is told") {
  waiting_scene s(4);
  CHECK(s.outcome("remove", s.id) == "removed");
  CHECK(s.queue().empty());
  CHECK(s.outcome("remove", s.id) == "no such message");
  s.remote_comes_up();
  s.pass(12h);
  CHECK(s.remote->taken.empty());
  REQUIRE(s.relay.shut_down(5min));
  CHECK(s.relay.spooled().empty());
}

TEST_CASE("a message that is given up is reported to its sender") {
  waiting_scene s(5);
  CHECK(s.outcome("bounce", s.id) == "bounced");
  s.remote_comes_up();
  REQUIRE(s.until_taken(1, 1h));
  const auto& report = s.remote->taken[0];
  CHECK(report.reverse_path.empty());
  CHECK(report.forward_paths == std::vector<std::string>{"me@c.test"});
  CHECK(report.content.find("you@far.test") != std::string::npos);
  CHECK(report.content.find("Status: 5.0.0") != std::string::npos);
  s.pass(1h);
  CHECK(s.remote->taken.size() == 1);
  CHECK(s.queue().empty());
}

TEST_CASE("a retry does not wait for its time, and a dead destination is asked at once") {
  waiting_scene s(6);
  s.remote_comes_up();
  CHECK(s.outcome("retry", s.id) == "tried again");
  CHECK(s.until_taken(1, 2min));
}

TEST_CASE("a message for a dead destination goes where the operator says") {
  scene s(7);
  s.remote_comes_up();
  s.relay.start();
  s.send({"you@dead.test"});
  REQUIRE(s.until_deferred());
  const auto id = s.only_id();
  CHECK(s.outcome("reroute", id, R"(,"next_hop":"far.test")") == "rerouted");
  REQUIRE(s.until_taken(1, 2min));
  CHECK(s.remote->taken[0].forward_paths == std::vector<std::string>{"you@dead.test"});
}

TEST_CASE("a reroute outlasts a restart, and can be taken back") {
  scene s(8);
  s.relay.start();
  s.send({"you@far.test"});
  REQUIRE(s.until_deferred());
  const auto id = s.only_id();
  CHECK(s.outcome("reroute", id, R"(,"next_hop":"dead.test")") == "rerouted");
  REQUIRE(s.relay.shut_down(5min));
  s.remote_comes_up();
  s.relay.start();
  s.pass(2h);
  CHECK(s.remote->taken.empty());
  CHECK(s.queue()[0].at("routed_to") == "dead.test");
  CHECK(s.outcome("reroute", id, R"(,"next_hop":"")") == "rerouted");
  CHECK(s.until_taken(1, 2min));
}

TEST_CASE("what a route holds goes on when the operator releases it") {
  scene s(19);
  auto& row = s.relay.settings.routes.emplace_back();
  row.recipients = {"far.test"};
  row.action = config::route_action::hold;
  s.remote_comes_up();
  s.relay.start();
  s.send({"you@far.test"});
  s.pass(1h);
  CHECK(s.remote->taken.empty());
  const auto all = s.queue();
  REQUIRE(all.size() == 1);
  CHECK(all[0].at("held") == true);
  CHECK(s.outcome("release", std::string(all[0].at("id").as_string())) == "released");
  CHECK(s.until_taken(1, 5min));
  s.pass(1h);
  CHECK(s.queue().empty());
}

TEST_CASE("of two recipients only the one that is meant is removed, or given up") {
  const std::string verb = GENERATE("remove", "bounce");
  DYNAMIC_SECTION(verb) {
    scene s(9);
    s.relay.start();
    s.send({"you@far.test", "her@dead.test"});
    REQUIRE(s.until_deferred(2));
    const auto answer =
        ask_control(s.world, "/v1/queue/" + verb, R"({"recipient":"dead.test","confirm":true})");
    INFO(answer.heard);
    const auto done = answer.json();
    CHECK(done.at("changed") == 1);
    CHECK(done.at("outcomes").as_array()[0].at("recipients") == 1);
    CHECK(done.at("outcomes").as_array()[0].at("pending") == 2);
    s.remote_comes_up();
    const std::size_t expected = verb == "bounce" ? 2 : 1;
    REQUIRE(s.until_taken(expected, 1h));
    s.pass(5h);
    CHECK(s.remote->taken.size() == expected);
    std::vector<std::string> to;
    for (const auto& t : s.remote->taken) to.push_back(t.forward_paths.at(0));
    std::ranges::sort(to);
    CHECK(to.back() == "you@far.test");
    CHECK(s.queue().empty());
  }
}

TEST_CASE("a dry run tells the same and does nothing") {
  waiting_scene s(10);
  const auto everything = R"({"all":true,"dry_run":true})";
  for (const std::string verb : {"hold", "remove", "bounce", "retry"}) {
    const auto answer = ask_control(s.world, "/v1/queue/" + verb, everything).json();
    CHECK(answer.at("selected") == 1);
    CHECK(answer.at("changed") == 1);
    CHECK(answer.at("outcomes").as_array()[0].at("changed") == false);
    CHECK(answer.at("outcomes").as_array()[0].at("outcome").as_string().starts_with("would be "));
  }
  CHECK(ask_control(s.world, "/v1/queue/remove", R"({"all":true})").status() == 409);
  s.remote_comes_up();
  CHECK(s.until_taken(1, 1h));
  CHECK(s.remote->taken[0].forward_paths == std::vector<std::string>{"you@far.test"});
}

/// A message whose connection was taken by a host that says nothing: it is being delivered.

TEST_CASE("a suspended destination gets nothing until it is resumed, over restarts as well") {
  scene s(16);
  s.relay.settings.retry.delay_warnings.clear();  // the sender is served by the same host
  s.remote_comes_up();
  s.relay.start();
  const auto suspended =
      ask_control(s.world, "/v1/destinations/suspend", R"({"destination":"far.test"})");
  CHECK(suspended.json().at("destinations").as_array()[0].at("state") == "suspended");
  s.send({"you@far.test"});
  s.pass(12h);
  CHECK(s.remote->attempts.empty());
  CHECK(s.queue()[0].at("recipients").as_array()[0].at("destination").at("state") == "suspended");
  REQUIRE(s.relay.shut_down(5min));
  s.relay.start();
  s.pass(12h);
  CHECK(s.remote->attempts.empty());
  CHECK(s.get("/v1/destinations?closed=true").at("destinations").as_array().size() == 1);
  const auto resumed =
      ask_control(s.world, "/v1/destinations/resume", R"({"destination":"far.test"})");
  CHECK(resumed.status() == 200);
  CHECK(s.until_taken(1, 5min));
  REQUIRE(s.relay.shut_down(5min));
  s.relay.start();
  s.send({"you@far.test"});
  CHECK(s.until_taken(2, 5min));
}

TEST_CASE("a destination that is down can be asked now") {
  waiting_scene s(17);
  s.remote_comes_up();
  CHECK(ask_control(s.world, "/v1/destinations/retry", R"({"destination":"far.test"})").status() ==
        200);
  CHECK(s.until_taken(1, 2min));
  CHECK(ask_control(s.world, "/v1/destinations/retry", R"({"destination":"x.test"})").status() ==
        404);
}

TEST_CASE("pages of a list hold every message once") {
  scene s(18);
  s.relay.start();
  ask_control(s.world, "/v1/destinations/suspend", R"({"destination":"far.test"})");
  for (int i = 0; i < 30; ++i) s.send({"you@far.test"});
  std::map<std::string, int> seen;
  std::string cursor;
  do {
    const auto page = s.get("/v1/queue?limit=7" + (cursor.empty() ? "" : "&cursor=" + cursor));
    CHECK(page.at("messages").as_array().size() <= 7);
    for (const auto& m : page.at("messages").as_array())
      ++seen[std::string(m.at("id").as_string())];
    const auto& next = page.at("next");
    cursor = next.is_null() ? std::string() : std::string(next.as_string());
  } while (!cursor.empty());
  CHECK(seen.size() == 30);
  for (const auto& [id, times] : seen) CHECK(times == 1);
}

TEST_CASE("whatever is held, released, tried and rerouted at whatever moment arrives, once") {
  const auto seed = GENERATE(range(100, 110));
  scene s(static_cast<std::uint64_t>(seed));
  s.relay.start();
  s.remote_comes_up();
  constexpr std::string_view orders[] = {
      R"(hold {"all":true,"confirm":true})",
      R"(release {"all":true,"confirm":true})",
      R"(retry {"all":true,"confirm":true})",
      R"(reroute {"all":true,"confirm":true,"next_hop":"[198.51.100.25]"})",
      R"(reroute {"all":true,"confirm":true,"next_hop":""})",
      R"(hold {"recipient":"odd@far.test","confirm":true})",
      R"(release {"held":true,"confirm":true})"};
  std::deque<control_answer> answers;
  constexpr std::size_t messages = 40;
  for (std::size_t i = 0; i < messages; ++i) {
    if (s.world.random.below(4) == 0) s.remote->silent = 1;
    s.send({i % 2 == 0 ? "even@far.test" : "odd@far.test"}, "number " + std::to_string(i) + ".");
    const auto text = orders[s.world.random.below(std::size(orders))];
    const auto blank = text.find(' ');
    begin_asking(s.world, "/v1/queue/" + std::string(text.substr(0, blank)),
                 std::string(text.substr(blank + 1)), answers.emplace_back());
    s.pass(std::chrono::milliseconds(s.world.random.below(3000)));
  }
  s.pass(1h);
  ask_control(s.world, "/v1/queue/release", R"({"all":true,"confirm":true})");
  CHECK(s.until_taken(messages, 24h));
  s.pass(24h);
  for (const auto& a : answers) CHECK(a.status() == 200);
  CHECK(s.queue().empty());
  std::map<std::string, int> arrived;
  for (const auto& t : s.remote->taken) {
    const auto at = t.content.find("number ");
    ++arrived[t.content.substr(at, t.content.find('.', at) - at)];
  }
  CHECK(arrived.size() == messages);
  for (const auto& [name, times] : arrived) {
    INFO(name);
    CHECK(times == 1);
  }
}

}  // namespace
}  // namespace relais::testing
