// The scene of the operator's hand: a relay that delivers, in the simulated world, and the control
// API.
#pragma once

#include <catch2/catch.hpp>
#include <map>

#include "support/control_talk.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing::operator_hand {

using namespace std::chrono_literals;
namespace json = boost::json;

struct scene : relay_scene {
  explicit scene(std::uint64_t seed) : relay_scene(seed) {
    dns.add_mx("c.test", 10, "mx.far.test");
    dns.add_mx("dead.test", 10, "mx.dead.test");
    dns.add_address("mx.dead.test", "198.51.100.99");
    relay.settings.retry.intervals = {10min};
    relay.settings.delivery.host_retry = 1min;
  }

  /// Returns when it was taken.
  void send(const std::vector<std::string>& recipients, const std::string& body = "x") {
    auto& client = typed.emplace_back();
    client.lines = {"EHLO c.test\r\n", "MAIL FROM:<me@c.test>\r\n"};
    for (const auto& r : recipients) client.lines.push_back("RCPT TO:<" + r + ">\r\n");
    client.lines.insert(
        client.lines.end(),
        {"DATA\r\n", "Subject: " + body + "\r\n\r\n" + body + "\r\n.\r\n", "QUIT\r\n"});
    run_client(world, clients, endpoint{simulated_relay::address, 25}, client);
    world.run_until([&] { return client.over; }, 1min);
    REQUIRE(client.over);
  }
  void pass(duration time) {
    world.run_until([] { return false; }, time);
  }
  bool until_deferred(std::size_t times = 1) {
    return world.run_until([&] { return relay.log.count("status=deferred") >= times; }, 20min);
  }
  bool until_taken(std::size_t count, duration limit) {
    return world.run_until([&] { return remote->taken.size() >= count; }, limit);
  }

  json::object get(const std::string& target) {
    const auto answer = ask_control(world, target);
    INFO(answer.heard);
    REQUIRE(answer.status() == 200);
    return answer.json();
  }
  json::array queue() { return get("/v1/queue").at("messages").as_array(); }
  std::string only_id() {
    const auto all = queue();
    REQUIRE(all.size() == 1);
    return std::string(all[0].at("id").as_string());
  }
  /// The answer to an order; `more` is the rest of the body, with a comma in front.
  json::object order(const std::string& verb, const std::string& id, const std::string& more = "") {
    const auto answer =
        ask_control(world, "/v1/queue/" + verb, R"({"id":")" + id + "\"" + more + "}");
    INFO(answer.heard);
    REQUIRE(answer.status() == 200);
    return answer.json();
  }
  std::string outcome(const std::string& verb, const std::string& id,
                      const std::string& more = "") {
    const auto answer = order(verb, id, more);
    REQUIRE(answer.at("outcomes").as_array().size() == 1);
    return std::string(answer.at("outcomes").as_array()[0].at("outcome").as_string());
  }

  std::deque<client_session> typed;
};

/// A message that was refused once, and the remote is up behind that.
struct waiting_scene : scene {
  explicit waiting_scene(std::uint64_t seed) : scene(seed) {
    relay.start();
    send({"you@far.test"});
    REQUIRE(until_deferred());
    id = only_id();
  }
  std::string id;
};

}  // namespace relais::testing::operator_hand
