// What routes and reply rules say, end to end: actions, fallback, a pause, and the rest.
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using config::reply_action;
using config::route_action;

struct scene : delivery_scene {
  explicit scene(std::uint64_t seed = 1) : delivery_scene(seed) {
    dns.zone["far.test"].mx.resize(1);
    dns.add_address("spare.test", "198.51.100.2");
    settings.retry.intervals = {10min};
    settings.delivery.host_retry = 1min;
  }
  config::route_settings& row() {
    auto& r = settings.routes.emplace_back();
    r.name = "row";
    r.recipients = {"far.test"};
    return r;
  }
  void rule(const std::string& reply, reply_action action) {
    auto& r = settings.reply_rules.emplace_back();
    r.reply = reply;
    r.action = action;
    r.time = 1h;
    r.place.file = "relais.yaml";
    r.place.line = 31;
  }
};

TEST_CASE("a route discards, and says so") {
  scene s;
  s.row().action = route_action::discard;
  s.submit(scene::letter());
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.first->connections == 0);
  CHECK(s.log.count("status=sent (discarded by row") == 1);
  CHECK(s.left() == 0);
  CHECK(s.home->taken.empty());
}

TEST_CASE("a route returns mail with its own words") {
  scene s;
  auto& row = s.row();
  row.action = route_action::error;
  row.text = "5.1.6 this domain has moved";
  s.submit(scene::letter());
  s.run(1min);
  CHECK(s.first->connections == 0);
  CHECK(has(s.reports(), "Status: 5.1.6\r\n"));
  CHECK(has(s.reports(), "this domain has moved"));
  CHECK(s.left() == 0);
}

TEST_CASE("a route holds, durably") {
  scene s;
  s.row().action = route_action::hold;
  const auto id = s.submit(scene::letter());
  s.submit(scene::letter("me@here.test", "you@here.test"));
  s.run(24h);
  CHECK(s.first->connections == 0);
  REQUIRE(s.left() == 1);
  const auto kept = s.store->look_up(id);
  REQUIRE(kept);
  CHECK(kept->is_held);
  CHECK(s.log.count("on hold by row") == 1);
  CHECK(s.schedule().jobs() == 0);
  CHECK(s.home->taken.size() == 1);
}

TEST_CASE("behind some failures mail goes by the fallback, new mail too") {
  scene s;
  s.workers = GENERATE(as<std::size_t>{}, 1, 2);
  auto& row = s.row();
  row.fallback = {"[spare.test]:25"};
  row.fallback_attempts = 3;
  s.first->turns_away = true;
  for (int i = 0; i < 20; ++i) s.submit(scene::letter());
  s.run(15min);
  CHECK(s.second->taken.empty());
  REQUIRE(s.until([&] { return s.second->taken.size() == 20; }, 20min));
  CHECK(s.log.count("by the fallback of row") == 20);
  s.submit(scene::letter());
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.second->taken.size() == 21);
  CHECK(s.left() == 0);
}

TEST_CASE("behind some time mail goes by the fallback") {
  scene s;
  auto& row = s.row();
  row.fallback = {"[spare.test]:25"};
  row.fallback_time = 1h;
  s.first->turns_away = true;
  for (int i = 0; i < 20; ++i) s.submit(scene::letter());
  s.run(59min);
  CHECK(s.second->taken.empty());
  s.run(15min);
  INFO(s.log.text());
  CHECK(s.second->taken.size() == 20);
  CHECK(s.left() == 0);
}

TEST_CASE("a reply rule pauses a destination") {
  scene s;
  s.rule("^421 4\\.5\\.3 ", reply_action::pause);
  s.first->mail_answers = {smtp::reply_id::too_many_messages};
  for (int i = 0; i < 5; ++i) s.submit(scene::letter());
  s.run(1min);
  const auto taken = s.first->taken.size();
  const auto connections = s.first->connections;
  s.submit(scene::letter());
  s.run(50min);
  INFO(s.log.text());
  CHECK(s.log.count("relais.yaml:31") >= 1);
  CHECK(s.first->connections == connections);
  CHECK(s.first->taken.size() == taken);
  CHECK(taken <= 4);
  s.run(15min);
  CHECK(s.first->taken.size() == 6);
  CHECK(s.left() == 0);
}

TEST_CASE("a reply rule makes a refusal a deferral, or a deferral a refusal") {
  scene s;
  s.rule("^554 ", reply_action::defer);
  s.rule("^451 ", reply_action::bounce);
  s.first->answers = {smtp::reply_id::transaction_failed};
  s.submit(scene::letter());
  s.run(1min);
  CHECK(s.log.count("status=deferred") == 1);
  CHECK(s.log.count("relais.yaml:31") == 1);
  s.run(30min);
  CHECK(s.first->taken.size() == 1);
  s.first->answers = {smtp::reply_id::queue_write_failed};
  s.submit(scene::letter());
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.log.count("status=bounced") == 1);
  CHECK(has(s.reports(), "Action: failed\r\n"));
}

TEST_CASE("a reply rule slows down") {
  scene s;
  s.rule("^451 ", reply_action::slow_down);
  s.settings.delivery.idle_timeout = 1ms;
  s.settings.delivery.concurrency_per_destination = 10;
  s.first->thinking_time = 1s;
  for (int i = 0; i < 200; ++i) s.submit(scene::letter());
  REQUIRE(s.until([&] { return s.first->open_now == 10; }, 5min));
  s.first->answers = {smtp::reply_id::queue_write_failed};
  REQUIRE(s.until([&] { return s.first->answers.empty(); }, 1min));
  s.run(2s);
  CHECK(s.first->open_now <= 8);
  REQUIRE(s.until([&] { return s.first->taken.size() == 200; }, 1h));
}

TEST_CASE("a message whose last answer was lost does not go to the fallback at once") {
  std::size_t length = 0;
  for (const bool is_cut : {false, true}) {
    scene s;
    auto& row = s.row();
    row.fallback = {"[spare.test]:25"};
    row.fallback_attempts = 1;
    s.settings.delivery.idle_timeout = 1h;
    if (is_cut) s.first->cuts = {length};
    s.submit(scene::letter());
    s.run(5min);
    length = s.first->octets_heard;
    CHECK(s.first->taken.size() == 1);
    CHECK(s.second->taken.empty());
    CHECK(s.log.count("may be sent more than once") == (is_cut ? 1 : 0));
    s.run(30min);
    CHECK(s.second->taken.size() == (is_cut ? 1 : 0));
  }
}

TEST_CASE("a reply rule has no say where the message was taken") {
  scene s;
  s.rule("queued", reply_action::bounce);
  s.submit(scene::letter());
  s.run(1min);
  CHECK(s.log.count("status=sent") == 1);
  CHECK(s.log.count("status=bounced") == 0);
}

}  // namespace
}  // namespace relais::testing
