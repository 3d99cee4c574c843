// Clients behind somebody else: a load balancer's PROXY header, XCLIENT and XFORWARD of a filter,
// programs behind a UNIX socket.
#include <catch2/catch.hpp>

#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using smtp::reply_id;
using namespace std::string_literals;

const turn far{"RCPT TO:<you@far.test>\r\n", "250 2.1.5 Ok\r\n"};
const turn denied{far.said, "550 5.7.1 <you@far.test>: Relay access denied\r\n"};

scene_action logs(std::string part) {
  return [part = std::move(part)](relay_scene& s) { REQUIRE(s.relay.log.count(part) >= 1); };
}

void behind_balancer(relay_scene& r) {
  r.relay.settings.listeners[0].proxy_protocol = true;
}

TEST_CASE("reply greeting: to the client that a PROXY header names") {
  const auto header =
      GENERATE("PROXY TCP4 192.0.2.77 192.0.2.1 5000 25\r\n"s,
               "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x4d\xc0\0\x02\x01\x13\x88\0\x19"s);
  situation s;
  s.configure = behind_balancer;
  s.turns = {{header, greeting.heard}, ehlo(), mail, far, data, text, quit};
  s.afterwards = logs("client=unknown[192.0.2.77]");
  check_reply(reply_id::greeting, s);
}

TEST_CASE("a balancer that speaks for itself is a client like others") {
  situation s;
  s.configure = behind_balancer;
  s.turns = {{"PROXY UNKNOWN\r\n", greeting.heard}, ehlo(), mail, denied, quit};
  s.afterwards = logs("from unknown[203.0.113.5]");
  check_session(s);
}

TEST_CASE("who begins without a PROXY header where one must come is not talked to") {
  situation s;
  s.configure = behind_balancer;
  s.turns = {{"EHLO c.test\r\nMAIL FROM:<me@c.test>\r\n", ""}};
  s.afterwards = logs("no PROXY header from 203.0.113.5");
  check_session(s);
  s.turns = {{"PROXY TCP4 192.0.2.77\r\n", ""}};
  check_session(s);
}

void with_xclient(relay_scene& r) {
  r.relay.settings.policy.xclient_networks = {*ip_network::parse("203.0.113.0/24")};
}

turn ehlo_xclient() {
  offer o;
  o.xclient = true;
  return ehlo(o);
}

TEST_CASE("reply greeting: behind XCLIENT the session is another client's") {
  situation s;
  s.configure = with_xclient;
  s.turns = {greeting,
             ehlo_xclient(),
             mail,
             denied,
             rset,
             turn("XCLIENT NAME=app.test ADDR=192.0.2.50 PORT=2525\r\n", greeting.heard).awaited(),
             {mail.said, "503 Send HELO or EHLO first\r\n"},
             ehlo(),
             mail,
             far,
             data,
             text,
             quit};
  s.afterwards = logs("client=app.test[192.0.2.50]");
  check_reply(reply_id::greeting, s);
}

TEST_CASE("XCLIENT takes trust as well as it gives it") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.policy.xclient_networks = {*ip_network::parse("192.0.2.0/24")};
  };
  s.client = simulated_relay::client_address;
  s.turns = {greeting,
             ehlo_xclient(),
             turn("XCLIENT ADDR=198.51.100.9\r\n", greeting.heard).awaited(),
             ehlo(),
             mail,
             denied,
             {"RCPT TO:<you@here.test>\n", "550 5.5.2 Lines must end in <CR><LF>\r\n"}};
  check_session(s);
}

TEST_CASE("who is spoken for by XCLIENT speaks for nobody") {
  situation s;
  s.configure = with_xclient;
  const std::string no = "550 5.7.0 Insufficient authorization\r\n";
  s.turns = {greeting,
             turn("XCLIENT ADDR=198.51.100.9\r\n", greeting.heard).awaited(),
             ehlo(),
             {"XCLIENT ADDR=192.0.2.50\r\n", no},
             {"XCLIENT LOGIN=joe\r\n", no},
             {"XFORWARD ADDR=192.0.2.50\r\n", no},
             mail,
             denied,
             quit};
  check_session(s);
}

TEST_CASE("a login that XCLIENT tells satisfies a listener that demands one") {
  situation s;
  s.configure = [](relay_scene& r) {
    with_xclient(r);
    r.relay.settings.listeners.front().require_auth = config::tristate::yes;
  };
  s.turns = {greeting,
             turn("XCLIENT LOGIN=joe ADDR=203.0.113.9\r\n", greeting.heard).awaited(),
             ehlo_xclient(),
             mail,
             far,
             data,
             text,
             turn("XCLIENT ADDR=203.0.113.10\r\n", greeting.heard).awaited(),
             ehlo_xclient(),
             {mail.said, "530 5.7.0 Authentication required\r\n"},
             quit};
  check_session(s);
}

TEST_CASE("a login that XCLIENT tells may relay") {
  situation s;
  s.configure = with_xclient;
  s.turns = {greeting,
             turn("XCLIENT LOGIN=joe\r\n", greeting.heard).awaited(),
             ehlo_xclient(),
             mail,
             far,
             data,
             text,
             quit};
  s.afterwards = logs("sasl_username=joe");
  check_session(s);
}

TEST_CASE("reply bad_parameter_value: XCLIENT with an address that is none") {
  situation s;
  s.configure = with_xclient;
  const std::string bad = "501 5.5.4 Parameter repeated or malformed\r\n";
  s.turns = {greeting,
             ehlo_xclient(),
             {"XCLIENT ADDR=printer\r\n", bad},
             {"XCLIENT ADDR=192.0.2.50 PORT=99999\r\n", bad},
             mail,
             denied,
             quit};
  check_reply(reply_id::bad_parameter_value, s);
}

TEST_CASE("reply ok: XFORWARD tells the log where a message came from") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.policy.xforward_networks = {*ip_network::parse("203.0.113.5")};
  };
  offer o;
  o.xforward = true;
  s.turns = {greeting,
             ehlo(o),
             {"XFORWARD NAME=app.test ADDR=198.51.100.9 HELO=x\r\n", "250 2.0.0 Ok\r\n"},
             mail,
             denied,
             rcpt,
             data,
             text,
             quit};
  s.afterwards = logs("orig_client=app.test[198.51.100.9]");
  check_reply(reply_id::ok, s);
}

TEST_CASE("a program behind a UNIX socket is a client of this host") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.listeners[0].address = *listen_address::parse("/run/relais/smtp");
  };
  s.client = simulated_relay::address;
  s.socket = "/run/relais/smtp";
  s.turns = {greeting, ehlo(), mail, far, data, text, quit};
  s.afterwards = logs("client=unknown[127.0.0.1]");
  check_session(s);
}

}  // namespace
}  // namespace relais::testing
