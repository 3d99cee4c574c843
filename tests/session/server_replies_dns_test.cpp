// Replies that come from what DNS says about the client, the sender and the recipient.
#include <catch2/catch.hpp>

#include "net/runtime.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

config::policy_settings& policy_of(relay_scene& s) {
  return s.relay.settings.policy;
}

/// A stranger's sender with checks of its domain on.
situation of_sender(scene_action zone, const std::string& reply) {
  situation s;
  s.configure = [zone = std::move(zone)](relay_scene& r) {
    policy_of(r).sender_domain = true;
    if (zone) zone(r);
  };
  s.turns = {greeting,
             ehlo(),
             {"MAIL FROM:<me@s.test>\r\n", reply},
             // Reports come from nobody.
             {"MAIL FROM:<>\r\n", "250 2.1.0 Ok\r\n"},
             quit};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.relay.log.count("policy.sender_domain") == 1); };
  return s;
}

situation of_recipient(scene_action zone, const std::string& reply) {
  situation s;
  s.configure = [zone = std::move(zone)](relay_scene& r) {
    policy_of(r).recipient_domain = true;
    r.relay.settings.relay.domains = {"r.test", "good.test"};
    r.dns.add_mx("good.test", 10, "mx.good.test");
    if (zone) zone(r);
  };
  s.turns = {greeting,
             ehlo(),
             mail,
             {"RCPT TO:<you@r.test>\r\n", reply},
             {"RCPT TO:<you@good.test>\r\n", "250 2.1.5 Ok\r\n"},
             quit};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.relay.log.count("policy.recipient_domain") == 1); };
  return s;
}

/// Checks nothing of clients that are known to us.
void check_exemption(situation s, std::size_t turn_number, const std::string& reply) {
  s.client = simulated_relay::client_address;
  s.turns[turn_number].heard = reply;
  s.turns.erase(s.turns.begin() + static_cast<std::ptrdiff_t>(turn_number) + 1, s.turns.end() - 1);
  s.afterwards = {};
  check_session(s);
}

TEST_CASE("reply sender_domain_unknown: DNS has no such name") {
  const auto s = of_sender({}, "550 5.1.8 <me@s.test>: Domain of the sender does not exist\r\n");
  check_reply(reply_id::sender_domain_unknown, s);
  check_exemption(s, 2, "250 2.1.0 Ok\r\n");
}

TEST_CASE("reply sender_domain_unknown: a name without addresses") {
  check_reply(reply_id::sender_domain_unknown,
              of_sender([](relay_scene& r) { r.dns.fail("s.test", dns_failure::nodata); },
                        "550 5.1.8 <me@s.test>: Domain of the sender does not exist\r\n"));
}

TEST_CASE("reply sender_domain_unresolved: DNS gives no answer") {
  const auto how = GENERATE(dns_failure::servfail, dns_failure::timeout);
  check_reply(reply_id::sender_domain_unresolved,
              of_sender([how](relay_scene& r) { r.dns.fail("s.test", how); },
                        "450 4.1.8 <me@s.test>: Domain of the sender could not be looked up\r\n"));
}

TEST_CASE("reply sender_domain_unresolved: DNS never answers") {
  auto s = of_sender(
      [](relay_scene& r) {
        r.dns.before_answering = [&w = r.world]() -> net::task<void> {
          return net::sleep_for(w.runtime(simulated_relay::address), 1h);
        };
      },
      "450 4.1.8 <me@s.test>: Domain of the sender could not be looked up\r\n");
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed < 20s);
    r.dns.before_answering = {};
  };
  check_reply(reply_id::sender_domain_unresolved, s);
}

TEST_CASE("reply sender_null_mx: the sender could never be answered") {
  check_reply(reply_id::sender_null_mx,
              of_sender([](relay_scene& r) { r.dns.add_mx("s.test", 0, ""); },
                        "550 5.7.27 <me@s.test>: Domain of the sender accepts no mail\r\n"));
}

TEST_CASE("a sender domain with an address only is one that mail can go to") {
  auto s = of_sender([](relay_scene& r) { r.dns.add_address("s.test", "2001:db8::1"); },
                     "250 2.1.0 Ok\r\n");
  s.turns.erase(s.turns.begin() + 3);
  s.afterwards = {};
  check_session(s);
}

TEST_CASE("reply recipient_domain_unknown: DNS has no such name") {
  const auto s =
      of_recipient({}, "550 5.1.2 <you@r.test>: Domain of the recipient does not exist\r\n");
  check_reply(reply_id::recipient_domain_unknown, s);
  check_exemption(s, 3, "250 2.1.5 Ok\r\n");
}

TEST_CASE("reply recipient_domain_unresolved: DNS gives no answer") {
  check_reply(
      reply_id::recipient_domain_unresolved,
      of_recipient([](relay_scene& r) { r.dns.fail("r.test", dns_failure::servfail); },
                   "450 4.1.2 <you@r.test>: Domain of the recipient could not be looked up\r\n"));
}

TEST_CASE("reply recipient_null_mx: the domain accepts no mail") {
  check_reply(reply_id::recipient_null_mx,
              of_recipient([](relay_scene& r) { r.dns.add_mx("r.test", 0, ""); },
                           "556 5.1.10 <you@r.test>: Domain of the recipient accepts no mail\r\n"));
}

situation of_name(config::reverse_dns_check check, scene_action zone, const std::string& reply) {
  situation s;
  s.configure = [check, zone = std::move(zone)](relay_scene& r) {
    policy_of(r).reverse_dns = check;
    if (zone) zone(r);
  };
  s.turns = {greeting, ehlo(), {mail.said, reply}, quit};
  return s;
}

TEST_CASE("reply reverse_dns_failed: the client has no name") {
  auto s = of_name(config::reverse_dns_check::name, {},
                   "550 5.7.25 Your address has no valid host name\r\n");
  s.afterwards = [](relay_scene& r) { REQUIRE(r.relay.log.count("policy.reverse_dns") == 1); };
  check_reply(reply_id::reverse_dns_failed, s);
  check_exemption(s, 2, "250 2.1.0 Ok\r\n");
}

TEST_CASE("reply reverse_dns_failed: the name that the client has is another's") {
  const auto zone = [](relay_scene& r) {
    r.dns.add_ptr("203.0.113.5", "mail.s.test");
    r.dns.add_address("mail.s.test", "203.0.113.99");
  };
  check_reply(reply_id::reverse_dns_failed,
              of_name(config::reverse_dns_check::confirmed, zone,
                      "550 5.7.25 Your address has no valid host name\r\n"));
  // Where any name is enough, it is welcome.
  check_session(of_name(config::reverse_dns_check::name, zone, "250 2.1.0 Ok\r\n"));
}

TEST_CASE("reply reverse_dns_deferred: the client's name cannot be looked up for the moment") {
  const auto zone = [](relay_scene& r) {
    r.dns.fail("5.113.0.203.in-addr.arpa", dns_failure::servfail);
  };
  check_reply(reply_id::reverse_dns_deferred,
              of_name(config::reverse_dns_check::confirmed, zone,
                      "450 4.7.25 Your host name could not be looked up for the moment\r\n"));
}

TEST_CASE("a client with a confirmed name is logged and traced by it") {
  situation s;
  s.configure = [](relay_scene& r) {
    policy_of(r).reverse_dns = config::reverse_dns_check::confirmed;
    r.dns.add_ptr("203.0.113.5", "mail.s.test");
    r.dns.add_address("mail.s.test", "203.0.113.5");
    delivers(r);
  };
  s.turns = {greeting, ehlo(), mail, rcpt, data, text, quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.log.count("client=mail.s.test[203.0.113.5]") == 1);
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.starts_with("Received: from c.test (mail.s.test [203.0.113.5])\r\n"));
  };
  check_session(s);
}

}  // namespace
}  // namespace relais::testing
