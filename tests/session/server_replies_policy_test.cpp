// Replies of policy: who may send what to whom, and how much.
#include <catch2/catch.hpp>

#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

scene_action logs(std::string part) {
  return [part = std::move(part)](relay_scene& s) { REQUIRE(s.relay.log.count(part) == 1); };
}

config::policy_settings& policy_of(relay_scene& s) {
  return s.relay.settings.policy;
}

config::access_rule rule(config::access_action action, std::string text, unsigned line) {
  config::access_rule r;
  r.action = action;
  r.text = std::move(text);
  r.place = {"relais.yaml", line};
  return r;
}

TEST_CASE("reply relay_denied: a stranger's recipient") {
  situation s;
  s.turns = {
      greeting, ehlo(),
      mail,     {"RCPT TO:<you@far.test>\r\n", "550 5.7.1 <you@far.test>: Relay access denied\r\n"},
      rcpt,     data,
      text,     quit};
  s.afterwards = logs(
      "NOQUEUE: reject: RCPT from unknown[203.0.113.5]: 550 5.7.1 <you@far.test>: Relay access "
      "denied; from=<me@c.test> to=<you@far.test> proto=ESMTP helo=<c.test>");
  check_reply(reply_id::relay_denied, s);
}

TEST_CASE("reply relay_denied: what goes round the domain of an address") {
  const std::string recipient =
      GENERATE("you@sub.here.test", "you@[192.0.2.1]", "@here.test:you@far.test");
  const auto shown = recipient.starts_with('@') ? "you@far.test" : recipient;
  situation s;
  s.turns = {
      greeting,
      ehlo(),
      mail,
      {"RCPT TO:<" + recipient + ">\r\n", "550 5.7.1 <" + shown + ">: Relay access denied\r\n"},
      quit};
  check_reply(reply_id::relay_denied, s);
}

TEST_CASE("a trusted client may send anywhere") {
  situation s;
  s.client = simulated_relay::client_address;
  s.turns = {greeting, ehlo(), mail, {"RCPT TO:<you@far.test>\r\n", "250 2.1.5 Ok\r\n"},
             data,     text,   quit};
  check_session(s);
}

TEST_CASE("reply too_many_recipients: the transaction stays valid") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.recipients = 2; };
  offer two;
  two.limits = "RCPTMAX=2 MAILMAX=1000";
  s.turns = {greeting,
             ehlo(two),
             mail,
             {"RCPT TO:<a@here.test>\r\n", "250 2.1.5 Ok\r\n"},
             {"RCPT TO:<b@here.test>\r\n", "250 2.1.5 Ok\r\n"},
             {"RCPT TO:<c@here.test>\r\n",
              "452 4.5.3 Too many recipients, send the others in another transaction\r\n"},
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    const auto stored = r.relay.spooled();
    REQUIRE(stored.size() == 1);
    REQUIRE(stored[0].envelope.forward_paths.size() == 2);
  };
  check_reply(reply_id::too_many_recipients, s);
}

TEST_CASE("reply policy_rejected: a rule about the client with its own text") {
  situation s;
  s.configure = [](relay_scene& r) {
    auto refuse = rule(config::access_action::reject, "No mail from printers", 31);
    refuse.clients = {*ip_network::parse("203.0.113.0/24")};
    policy_of(r).rules = {refuse};
  };
  s.turns = {greeting, ehlo(), {mail.said, "550 5.7.1 No mail from printers\r\n"}, quit};
  s.afterwards = logs("relais.yaml:31: policy.rules");
  check_reply(reply_id::policy_rejected, s);
}

TEST_CASE("reply policy_rejected: a rule about a recipient without a text") {
  situation s;
  s.configure = [](relay_scene& r) {
    auto refuse = rule(config::access_action::reject, "", 32);
    refuse.recipients = {"old@here.test"};
    policy_of(r).rules = {refuse};
  };
  s.turns = {
      greeting, ehlo(),
      mail,     {"RCPT TO:<old@here.test>\r\n", "550 5.7.1 <old@here.test>: Access denied\r\n"},
      rcpt,     data,
      text,     quit};
  s.afterwards = logs("relais.yaml:32: policy.rules");
  check_reply(reply_id::policy_rejected, s);
}

TEST_CASE("reply policy_rejected: a hello that is no name") {
  situation s;
  s.configure = [](relay_scene& r) { policy_of(r).hello = config::hello_check::syntax; };
  auto address = ehlo();
  address.said = "EHLO 203.0.113.5\r\n";
  address.heard.replace(address.heard.find("c.test"), 6, "203.0.113.5");
  s.turns = {greeting,
             address,
             {mail.said, "550 5.7.1 <203.0.113.5>: Helo command rejected: invalid name\r\n"},
             // The first hello does not count for ever.
             ehlo(),
             mail,
             quit};
  s.afterwards = logs("policy.hello");
  check_reply(reply_id::policy_rejected, s);
}

TEST_CASE("reply policy_rejected: a hello that DNS does not know") {
  situation s;
  s.configure = [](relay_scene& r) { policy_of(r).hello = config::hello_check::resolvable; };
  s.turns = {greeting,
             ehlo(),
             {mail.said, "550 5.7.1 <c.test>: Helo command rejected: host not found\r\n"},
             quit};
  check_reply(reply_id::policy_rejected, s);
}

TEST_CASE("reply policy_deferred: a hello that cannot be looked up for the moment") {
  situation s;
  s.configure = [](relay_scene& r) {
    policy_of(r).hello = config::hello_check::resolvable;
    r.dns.fail("c.test", dns_failure::servfail);
  };
  s.turns = {
      greeting,
      ehlo(),
      {mail.said, "450 4.7.1 <c.test>: Helo command rejected: host could not be looked up\r\n"},
      quit};
  check_reply(reply_id::policy_deferred, s);
}

TEST_CASE("reply policy_deferred: a rule about the sender") {
  situation s;
  s.configure = [](relay_scene& r) {
    auto later = rule(config::access_action::defer, "Come back tomorrow", 33);
    later.senders = {".test"};
    policy_of(r).rules = {later};
  };
  s.turns = {greeting,
             ehlo(),
             {mail.said, "450 4.7.1 Come back tomorrow\r\n"},
             {"MAIL FROM:<>\r\n", "250 2.1.0 Ok\r\n"},
             quit};
  s.afterwards = logs("relais.yaml:33: policy.rules");
  check_reply(reply_id::policy_deferred, s);
}

TEST_CASE("a rule that accepts ends the checks but gives no right to relay") {
  situation s;
  s.configure = [](relay_scene& r) {
    auto welcome = rule(config::access_action::accept, "", 34);
    welcome.clients = {*ip_network::parse("203.0.113.5")};
    policy_of(r).rules = {welcome};
    policy_of(r).sender_domain = true;
    policy_of(r).greylist.enabled = true;
  };
  s.turns = {greeting,
             ehlo(),
             {"MAIL FROM:<me@nowhere.test>\r\n", "250 2.1.0 Ok\r\n"},
             rcpt,
             {"RCPT TO:<you@far.test>\r\n", "550 5.7.1 <you@far.test>: Relay access denied\r\n"},
             quit};
  check_session(s);
}

TEST_CASE("reply listed_by_dns: the client's address is in a block list") {
  situation s;
  s.configure = [](relay_scene& r) {
    config::dns_list list;
    list.zone = "bl.test";
    list.place = {"relais.yaml", 50};
    policy_of(r).dns_lists = {list};
    r.dns.add_address("5.113.0.203.bl.test", "127.0.0.2");
  };
  s.turns = {
      greeting, ehlo(), mail, {rcpt.said, "550 5.7.1 203.0.113.5 listed by bl.test\r\n"}, quit};
  s.afterwards = logs("relais.yaml:50: policy.dns_lists bl.test");
  check_reply(reply_id::listed_by_dns, s);
}

TEST_CASE("a client in an allow list passes in spite of a block list") {
  situation s;
  s.configure = [](relay_scene& r) {
    config::dns_list block, allow;
    block.zone = "bl.test";
    allow.zone = "wl.test";
    allow.score = -1;
    policy_of(r).dns_lists = {block, allow};
    r.dns.add_address("5.113.0.203.bl.test", "127.0.0.2");
    r.dns.add_address("5.113.0.203.wl.test", "127.0.0.3");
  };
  s.turns = {greeting, ehlo(), mail, rcpt, quit};
  check_session(s);
}

TEST_CASE("reply greylisted: the first attempt of an unknown sender") {
  situation s;
  s.configure = [](relay_scene& r) {
    policy_of(r).greylist.enabled = true;
    policy_of(r).greylist.delay = 1min;
  };
  const turn later{rcpt.said, "450 4.7.1 Greylisted, try again in 60 seconds\r\n"};
  s.turns = {greeting, ehlo(), mail, later, rset, mail.after(2min), rcpt, data, text, quit};
  check_reply(reply_id::greylisted, s);
  s.client = simulated_relay::client_address;
  s.turns = {greeting, ehlo(), mail, rcpt, quit};
  check_session(s);
}

config::rate_limit rate(config::rate_of of, config::rate_per per, unsigned line) {
  config::rate_limit limit;
  limit.of = of;
  limit.per = per;
  limit.limit = 1;
  limit.place = {"relais.yaml", line};
  return limit;
}

TEST_CASE("reply rate_limited: messages of a client") {
  situation s;
  s.configure = [](relay_scene& r) {
    policy_of(r).rates = {rate(config::rate_of::messages, config::rate_per::client, 60)};
  };
  // Trusted clients, too.
  s.client = simulated_relay::client_address;
  const turn refused{mail.said, "450 4.7.1 Too much mail from you, try again later\r\n"};
  s.turns = {greeting, ehlo(), mail, rset, refused, mail.after(130s), quit};
  s.afterwards = logs("relais.yaml:60: policy.rates");
  check_reply(reply_id::rate_limited, s);
  s.configure = [](relay_scene& r) {
    policy_of(r).rates = {rate(config::rate_of::messages, config::rate_per::client, 60)};
    policy_of(r).rate_exempt = {*ip_network::parse("192.0.2.10")};
  };
  s.turns = {greeting, ehlo(), mail, rset, mail, quit};
  s.afterwards = {};
  check_session(s);
}

TEST_CASE("reply rate_limited: recipients of one sender") {
  situation s;
  s.configure = [](relay_scene& r) {
    policy_of(r).rates = {rate(config::rate_of::recipients, config::rate_per::sender, 61)};
  };
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             {rcpt.said, "450 4.7.1 Too much mail from you, try again later\r\n"},
             rset,
             {"MAIL FROM:<other@c.test>\r\n", "250 2.1.0 Ok\r\n"},
             rcpt,
             quit};
  s.afterwards = logs("relais.yaml:61: policy.rates");
  check_reply(reply_id::rate_limited, s);
}

TEST_CASE("reply priority_lowered: a stranger's message is not more urgent than others") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             {"MAIL FROM:<me@c.test> MT-PRIORITY=5\r\n", "250 2.3.6 Ok, with priority 0\r\n"},
             rcpt,
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().at(0).envelope.priority == 0);
  };
  check_reply(reply_id::priority_lowered, s);
  s.client = simulated_relay::client_address;
  s.turns[2].heard = "250 2.1.0 Ok\r\n";
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().at(0).envelope.priority == 5);
  };
  check_session(s);
}

TEST_CASE("reply routed_address: a route hidden in a stranger's recipient") {
  const std::string local = GENERATE("victim%far.test", "far.test!victim", "\"victim@far.test\"");
  situation s;
  const auto recipient = local + "@here.test";
  s.turns = {greeting,
             ehlo(),
             mail,
             {"RCPT TO:<" + recipient + ">\r\n",
              "553 5.1.3 <" + recipient + ">: Routing within an address is not allowed\r\n"},
             quit};
  check_reply(reply_id::routed_address, s);
  s.client = simulated_relay::client_address;
  s.turns[3].heard = "250 2.1.5 Ok\r\n";
  check_session(s);
}

TEST_CASE("reply insufficient_authorization: XCLIENT and XFORWARD of anybody") {
  situation s;
  s.turns = {greeting,
             ehlo(),
             {"XCLIENT ADDR=192.0.2.50\r\n", "550 5.7.0 Insufficient authorization\r\n"},
             {"XFORWARD ADDR=192.0.2.50\r\n", "550 5.7.0 Insufficient authorization\r\n"},
             quit};
  check_reply(reply_id::insufficient_authorization, s);
}

}  // namespace
}  // namespace relais::testing
