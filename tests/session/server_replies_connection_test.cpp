// Replies about the connection itself: who may connect, how long, how often, and why it ends.
#include <catch2/catch.hpp>

#include "base/error.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

const std::string too_many =
    "421 relay.test Too many connections from your address, try again later\r\n";
const std::string timeout = "421 4.4.2 relay.test Timeout, closing connection\r\n";

scene_action logs(std::string part) {
  return [part = std::move(part)](relay_scene& s) { REQUIRE(s.relay.log.count(part) == 1); };
}

config::listener& listener_of(relay_scene& s) {
  return s.relay.settings.listeners.front();
}

TEST_CASE("reply too_many_connections: of all listeners together and for trusted clients as well") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.connections = 1; };
  s.client = simulated_relay::client_address;
  s.beside = {{stranger, "", 1}};
  s.turns = {{"", too_many}};
  s.afterwards = logs("NOQUEUE: reject: CONNECT from unknown[192.0.2.10]: 421 4.7.0 relay.test ");
  check_reply(reply_id::too_many_connections, s);
}

TEST_CASE("reply too_many_connections: of one listener") {
  situation s;
  s.configure = [](relay_scene& r) { listener_of(r).connections = 2; };
  s.beside = {{stranger, "", 1}, {stranger, "", 1}};
  s.turns = {{"EHLO c.test\r\n", too_many}};
  check_reply(reply_id::too_many_connections, s);
}

TEST_CASE("reply too_many_connections: of one client while others are welcome") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.connections_per_client = 1; };
  s.beside = {{stranger, "", 1}};
  s.turns = {{"EHLO c.test\r\n", too_many}};
  check_reply(reply_id::too_many_connections, s);
  s.client = *ip_address::parse("203.0.113.6");
  s.turns = {greeting, quit_at_once};
  check_session(s);
}

TEST_CASE("reply too_many_connections: of one network") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.connections_per_network = 2; };
  s.beside = {{*ip_address::parse("203.0.113.200"), "", 1},
              {*ip_address::parse("203.0.113.1"), "", 1}};
  s.turns = {{"", too_many}};
  check_reply(reply_id::too_many_connections, s);
  s.client = *ip_address::parse("203.0.112.5");
  s.turns = {greeting, quit_at_once};
  check_session(s);
}

TEST_CASE("reply too_many_connections: too fast one after the other") {
  situation s;
  s.configure = [](relay_scene& r) {
    config::rate_limit limit;
    limit.of = config::rate_of::connections;
    limit.limit = 1;
    limit.place = {"relais.yaml", 40};
    r.relay.settings.policy.rates = {limit};
  };
  s.beside = {{stranger, "QUIT\r\n", 2}};
  s.turns = {{"", too_many}};
  s.afterwards = logs("relais.yaml:40: policy.rates");
  check_reply(reply_id::too_many_connections, s);
  s.client = *ip_address::parse("203.0.113.6");
  s.turns = {greeting, quit_at_once};
  s.afterwards = {};
  check_session(s);
}

TEST_CASE("reply overloaded: memory is spent for messages under way") {
  situation s;
  // Room for the first octets of one message.
  s.configure = [](relay_scene& r) { r.relay.settings.limits.memory = 4600_B; };
  s.beside = {
      {simulated_relay::client_address,
       "EHLO a.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@here.test>\r\nDATA\r\nSubject:", 5}};
  s.turns = {{"", "421 relay.test Too busy, try again later\r\n"}};
  check_reply(reply_id::overloaded, s);
  // What is left is for those we know.
  s.client = *ip_address::parse("192.0.2.11");
  s.turns = {greeting, quit_at_once};
  check_session(s);
}

TEST_CASE("reply idle_timeout: a silent client") {
  situation s;
  s.turns = {greeting, ehlo(), mail, {"", timeout}};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed > 5min);
    REQUIRE(r.world.clock.elapsed < 6min);
    REQUIRE(r.relay.log.count("timeout after MAIL from unknown[203.0.113.5]") == 1);
  };
  check_reply(reply_id::idle_timeout, s);
}

TEST_CASE("reply idle_timeout: a client that never says a whole command") {
  situation s;
  s.may_pipeline = false;
  s.turns = {greeting, ehlo(), {"MAIL FR", ""}, turn("OM", "").after(4min), {"", timeout}};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed < 6min); };
  check_reply(reply_id::idle_timeout, s);
}

TEST_CASE("reply idle_timeout: content that stops") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.data_rate = 0_B; };
  s.turns = {greeting, ehlo(), mail, rcpt, data, {"Subject: x\r\n", timeout}};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed > 3min);
    REQUIRE(r.world.clock.elapsed < 4min);
    REQUIRE(r.relay.log.count("timeout after DATA") == 1);
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().empty());
  };
  check_reply(reply_id::idle_timeout, s);
}

TEST_CASE("reply idle_timeout: content that drips") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data,
             {"Subject: x\r\n", ""},
             turn("\r\n", "").after(30s),
             turn("x\r\n", "").after(20s),
             {"", timeout}};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed < 65s); };
  check_reply(reply_id::idle_timeout, s);
}

TEST_CASE("reply idle_timeout: strangers have less time when connections run out") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.connections = 10; };
  for (int i = 0; i < 9; ++i) s.beside.push_back({simulated_relay::client_address, "", 1});
  s.turns = {greeting, ehlo(), {"", timeout}};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed < 15s); };
  check_reply(reply_id::idle_timeout, s);
  s.client = *ip_address::parse("192.0.2.11");
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed > 4min); };
  check_reply(reply_id::idle_timeout, s);
}

TEST_CASE("reply draining: an idle client at a shutdown") {
  situation s;
  const auto stop = [](relay_scene& r) { r.relay.begin_shut_down(); };
  s.turns = {
      greeting, ehlo(),
      turn("", "421 4.3.2 relay.test Service is shutting down, try again later\r\n").when(stop)};
  check_reply(reply_id::draining, s);
}

TEST_CASE("reply draining: the next message behind the one under way at a shutdown") {
  situation s;
  const auto stop = [](relay_scene& r) { r.relay.begin_shut_down(); };
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data.when(stop),
             text,
             {mail.said, "421 4.3.2 relay.test Service is shutting down, try again later\r\n"}};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().size() == 1);
  };
  check_reply(reply_id::draining, s);
}

TEST_CASE("reply too_many_messages: MAIL behind the last one that a connection may send") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.messages_per_connection = 1; };
  offer one;
  one.limits = "RCPTMAX=1000 MAILMAX=1";
  s.turns = {
      greeting,
      ehlo(one),
      mail,
      rcpt,
      data,
      text,
      {mail.said, "421 4.5.3 relay.test Too many messages on this connection, open another\r\n"}};
  check_reply(reply_id::too_many_messages, s);
}

TEST_CASE("reply too_many_errors: the budget of a session is spent") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.errors = 2; };
  const turn wrong{"FOO\r\n", "500 5.5.2 Command not recognized\r\n"};
  s.turns = {greeting,
             ehlo(),
             wrong,
             wrong,
             {"FOO\r\n", "421 4.7.0 relay.test Too many errors, closing connection\r\n"}};
  check_reply(reply_id::too_many_errors, s);
}

TEST_CASE("reply too_many_errors: commands that do nothing") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.junk_commands = 3; };
  const turn noop{"NOOP\r\n", "250 2.0.0 Ok\r\n"};
  s.turns = {greeting,
             ehlo(),
             noop,
             rset,
             {"NOOP\r\n", "421 4.7.0 relay.test Too many errors, closing connection\r\n"}};
  check_reply(reply_id::too_many_errors, s);
}

TEST_CASE("who keeps making mistakes is answered late") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.limits.soft_errors = 1;
    r.relay.settings.limits.error_delay = 10s;
  };
  s.may_pipeline = false;
  const turn wrong{"FOO\r\n", "500 5.5.2 Command not recognized\r\n"};
  s.turns = {greeting, ehlo(), wrong, wrong, wrong, {"NOOP\r\n", "250 2.0.0 Ok\r\n"}, quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed >= 20s);
    REQUIRE(r.world.clock.elapsed < 22s);
  };
  check_session(s);
}

TEST_CASE("reply synchronization_error: a stranger that talks before the greeting") {
  situation s;
  s.configure = [](relay_scene& r) { listener_of(r).banner_delay = 2s; };
  s.turns = {{"EHLO c.test\r\n", "554 Protocol synchronization error\r\n"}};
  s.afterwards = logs("NOQUEUE: reject: CONNECT from unknown[203.0.113.5]: 554 5.5.0 Protocol ");
  check_reply(reply_id::synchronization_error, s);
  // Who waits is welcome, and who is trusted need not wait.
  s.turns = {greeting, ehlo(), quit};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed >= 2s); };
  check_session(s);
  s.client = simulated_relay::client_address;
  s.turns = {ehlo(), quit};
  s.turns.front().heard = greeting.heard + s.turns.front().heard;
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed < 2s); };
  check_session(s);
}

TEST_CASE("reply foreign_protocol: a web browser") {
  situation s;
  s.turns = {greeting, {"GET / HTTP/1.1\r\n", "521 This is an SMTP server\r\n"}};
  check_reply(reply_id::foreign_protocol, s);
}

}  // namespace
}  // namespace relais::testing
