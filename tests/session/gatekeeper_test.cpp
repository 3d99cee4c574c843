// The gatekeeper's steps with a scripted DNS and virtual time: names of clients, HELO, domains, DNS
// lists, rules, and what trusted clients and logins are spared.
#include <catch2/catch.hpp>

#include "gatekeeper_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct scene : gatekeeper_scene {
  scene() { comes_from("192.0.2.1"); }
  /// Each answer of the DNS takes so long.
  void dns_takes(duration d) {
    dns.before_answering = [this, d] { return net::sleep_for(here, d); };
  }
};

config::access_rule rule(config::access_action action, unsigned line) {
  config::access_rule r;
  r.action = action;
  r.place = {"c.yaml", line};
  return r;
}

config::dns_list list(const std::string& zone, std::int64_t score = 1) {
  config::dns_list l;
  l.zone = zone;
  l.score = score;
  l.place = {"c.yaml", 5};
  return l;
}

TEST_CASE("with nothing configured, nobody is asked") {
  scene s;
  CHECK_FALSE(s.keeper().asks_at_connect(s.client));
  CHECK(s.mail("a@b.test") == "not asked");
  CHECK(s.rcpt("r@r.test") == "not asked");
}

TEST_CASE("the name of a client is what the reverse look-up says and the forward one confirms") {
  struct row {
    const char* name;
    std::function<void(fake_resolver&)> zone;
    const char *address, *confirmed, *unconfirmed;
    bool failed;
  };
  const std::vector<row> rows{
      {"both agree",
       [](fake_resolver& d) {
         d.add_ptr("192.0.2.1", "h.test");
         d.add_address("h.test", "192.0.2.9");
         d.add_address("h.test", "192.0.2.1");
       },
       "192.0.2.1", "h.test", "h.test", false},
      {"IPv6",
       [](fake_resolver& d) {
         d.add_ptr("2001:db8::1", "h.test");
         d.add_address("h.test", "2001:db8::1");
       },
       "2001:db8::1", "h.test", "h.test", false},
      {"the second name is confirmed",
       [](fake_resolver& d) {
         d.add_ptr("192.0.2.1", "other.test");
         d.add_ptr("192.0.2.1", "h.test");
         d.fail("other.test", dns_failure::servfail);
         d.add_address("h.test", "192.0.2.1");
       },
       "192.0.2.1", "h.test", "other.test", false},
      {"no name", [](fake_resolver&) {}, "192.0.2.1", "unknown", "", false},
      {"the name has another address",
       [](fake_resolver& d) {
         d.add_ptr("192.0.2.1", "bank.test");
         d.add_address("bank.test", "198.51.100.1");
       },
       "192.0.2.1", "unknown", "bank.test", false},
      {"the name has no address", [](fake_resolver& d) { d.add_ptr("192.0.2.1", "h.test"); },
       "192.0.2.1", "unknown", "h.test", false},
      {"the reverse look-up fails",
       [](fake_resolver& d) { d.fail("1.2.0.192.in-addr.arpa", dns_failure::servfail); },
       "192.0.2.1", "unknown", "", true},
      {"the forward look-up fails",
       [](fake_resolver& d) {
         d.add_ptr("192.0.2.1", "h.test");
         d.fail("h.test", dns_failure::timeout);
       },
       "192.0.2.1", "unknown", "h.test", true},
  };
  for (const auto& r : rows) {
    DYNAMIC_SECTION(r.name) {
      scene s;
      s.settings.policy.client_names = true;
      r.zone(s.dns);
      s.comes_from(r.address);
      s.client.unconfirmed_name = "of an earlier client";
      CHECK(s.keeper().asks_at_connect(s.client));
      CHECK(s.connect() == "welcome");
      CHECK(s.client.name == r.confirmed);
      CHECK(s.client.unconfirmed_name == r.unconfirmed);
      CHECK(s.client.name_lookup_failed == r.failed);
    }
  }
}

TEST_CASE("an address with many names costs five look-ups at most") {
  scene s;
  s.settings.policy.client_names = true;
  for (int i = 0; i < 100; ++i) s.dns.add_ptr("192.0.2.1", "h" + std::to_string(i) + ".test");
  s.connect();
  CHECK(s.dns.asked.size() == 6);
}

TEST_CASE("a look-up that takes too long is given up after five seconds") {
  scene s;
  s.settings.policy.client_names = true;
  s.settings.policy.reverse_dns = config::reverse_dns_check::name;
  s.dns.add_ptr("192.0.2.1", "h.test");
  s.dns_takes(1h);
  const auto before = s.world.clock.now();
  CHECK(s.connect() == "welcome");
  CHECK(s.world.clock.now() - before == 5s);
  CHECK(s.client.name == "unknown");
  CHECK(s.client.name_lookup_failed);
  CHECK(s.mail("a@b.test") == "reverse_dns_deferred [policy.reverse_dns]");
}

TEST_CASE("a client without a name is refused where one is demanded") {
  scene s;
  s.settings.policy.reverse_dns = config::reverse_dns_check::confirmed;
  s.dns.add_ptr("192.0.2.1", "h.test");
  CHECK(s.connect() == "welcome");
  CHECK(s.mail("a@b.test") == "reverse_dns_failed [policy.reverse_dns]");
  s.dns.add_address("h.test", "192.0.2.1");
  s.connect();
  CHECK(s.mail("a@b.test") == "welcome");
}

TEST_CASE("HELO is checked at MAIL") {
  struct row {
    const char* hello;
    config::hello_check check;
    const char* verdict;
  };
  constexpr auto syntax = config::hello_check::syntax, resolvable = config::hello_check::resolvable;
  const auto r = GENERATE_COPY(values<row>({
      {"nowhere.test", syntax, "welcome"},
      {"192.0.2.1", syntax,
       "policy_rejected <192.0.2.1>: Helo command rejected: invalid name [policy.hello]"},
      {"a b", syntax, "policy_rejected <a b>: Helo command rejected: invalid name [policy.hello]"},
      {"[192.0.2.1]", resolvable, "welcome"},
      {"h.test", resolvable, "welcome"},
      {"six.test", resolvable, "welcome"},
      {"mx.test", resolvable, "welcome"},
      {"nowhere.test", resolvable,
       "policy_rejected <nowhere.test>: Helo command rejected: host not found [policy.hello]"},
      {"empty.test", resolvable,
       "policy_rejected <empty.test>: Helo command rejected: host not found [policy.hello]"},
      {"broken.test", resolvable,
       "policy_deferred <broken.test>: Helo command rejected: host could not be looked up "
       "[policy.hello]"},
  }));
  DYNAMIC_SECTION(r.hello << " " << static_cast<int>(r.check)) {
    scene s;
    s.settings.policy.hello = r.check;
    s.dns.add_address("h.test", "198.51.100.1");
    s.dns.add_address("six.test", "2001:db8::1");
    s.dns.add_mx("mx.test", 1, "h.test");
    s.dns.zone["empty.test"];
    s.dns.fail("broken.test", dns_failure::servfail);
    s.client.hello = r.hello;
    CHECK(s.mail("a@b.test") == r.verdict);
    // Who logs in behind a bad HELO is welcome.
    s.client.user = "joe";
    CHECK(s.mail("a@b.test") == "not asked");
  }
}

TEST_CASE("the sender's domain must be able to receive the report") {
  struct row {
    const char *sender, *verdict;
  };
  const auto r = GENERATE(values<row>({
      {"a@mx.test", "welcome"},
      {"a@address.test", "welcome"},
      {"a@six.test", "welcome"},
      {"", "welcome"},
      {"a@[192.0.2.1]", "welcome"},
      {"a@null.test", "sender_null_mx a@null.test [policy.sender_domain]"},
      {"a@none.test", "sender_domain_unknown a@none.test [policy.sender_domain]"},
      {"a@empty.test", "sender_domain_unknown a@empty.test [policy.sender_domain]"},
      {"a@broken.test", "sender_domain_unresolved a@broken.test [policy.sender_domain]"},
  }));
  DYNAMIC_SECTION(r.sender) {
    scene s;
    s.settings.policy.sender_domain = true;
    s.dns.add_mx("mx.test", 10, "elsewhere.test");
    s.dns.add_address("address.test", "198.51.100.1");
    s.dns.add_address("six.test", "2001:db8::1");
    s.dns.add_mx("null.test", 0, "");
    s.dns.zone["empty.test"];
    s.dns.fail("broken.test", dns_failure::servfail);
    CHECK(s.mail(r.sender) == r.verdict);
    s.client.is_trusted = true;
    CHECK(s.mail(r.sender) == "not asked");
  }
}

TEST_CASE("the recipient's domain is checked for strangers") {
  scene s;
  s.settings.policy.recipient_domain = true;
  s.dns.add_mx("good.test", 10, "mx.test");
  s.dns.add_mx("null.test", 0, "");
  s.dns.fail("broken.test", dns_failure::servfail);
  CHECK(s.rcpt("r@good.test") == "welcome");
  CHECK(s.rcpt("postmaster") == "welcome");
  CHECK(s.rcpt("r@[192.0.2.1]") == "welcome");
  CHECK(s.rcpt("r@none.test") == "recipient_domain_unknown r@none.test [policy.recipient_domain]");
  CHECK(s.rcpt("r@null.test") == "recipient_null_mx r@null.test [policy.recipient_domain]");
  CHECK(s.rcpt("r@broken.test") ==
        "recipient_domain_unresolved r@broken.test [policy.recipient_domain]");
  s.client.user = "joe";
  CHECK(s.rcpt("r@none.test") == "not asked");
}

TEST_CASE("DNS lists are asked all at once, and remembered for a minute") {
  scene s;
  s.settings.policy.dns_lists = {list("one.test"), list("two.test"), list("three.test", 2)};
  s.settings.policy.dns_reject_score = 2;
  s.dns.add_address("1.2.0.192.one.test", "127.0.0.2");
  s.dns.add_address("1.2.0.192.three.test", "127.0.0.4");
  s.dns_takes(3s);
  const auto before = s.world.clock.now();
  const std::string no =
      "listed_by_dns 192.0.2.1 listed by three.test [c.yaml:5: policy.dns_lists three.test, score "
      "3]";
  CHECK(s.rcpt("r@r.test") == no);
  CHECK(s.world.clock.now() - before == 3s);
  for (int i = 0; i < 100; ++i) CHECK(s.rcpt("r@r.test") == no);
  CHECK(s.dns.asked.size() == 3);
  s.pass_time(1min);
  s.dns.zone.clear();
  CHECK(s.rcpt("r@r.test") == "welcome");
  s.comes_from("192.0.2.2");
  CHECK(s.rcpt("r@r.test") == "welcome");
  CHECK(s.dns.asked.size() == 9);
}

TEST_CASE("an allow list outweighs a block list") {
  scene s;
  s.settings.policy.dns_lists = {list("block.test", 3), list("allow.test", -3)};
  s.dns.add_address("1.2.0.192.block.test", "127.0.0.2");
  s.dns.add_address("1.2.0.192.allow.test", "127.0.0.2");
  CHECK(s.rcpt("r@r.test") == "welcome");
}

TEST_CASE("a DNS list that does not answer lists nobody, and is told of once") {
  scene s;
  s.settings.policy.dns_lists = {list("broken.test"), list("good.test")};
  s.dns.fail("1.2.0.192.broken.test", dns_failure::servfail);
  s.dns.fail("2.2.0.192.broken.test", dns_failure::timeout);
  for (const auto* from : {"192.0.2.1", "192.0.2.2"}) {
    s.comes_from(from);
    CHECK(s.rcpt("r@r.test") == "welcome");
  }
  const std::string gone = "the DNS list broken.test does not answer: nobody counts as listed";
  CHECK(s.log.lines == std::vector<std::string>{gone});
  s.comes_from("192.0.2.3");
  s.rcpt("r@r.test");
  CHECK(s.log.lines == std::vector<std::string>{gone, "the DNS list broken.test answers again"});
}

TEST_CASE("DNS lists that are too slow keep nobody waiting for longer than five seconds") {
  scene s;
  s.settings.policy.dns_lists = {list("one.test"), list("two.test")};
  s.dns.add_address("1.2.0.192.one.test", "127.0.0.2");
  s.dns_takes(6s);
  const auto before = s.world.clock.now();
  CHECK(s.rcpt("r@r.test") == "welcome");
  CHECK(s.world.clock.now() - before == 5s);
  CHECK(s.log.lines.size() == 2);
}

TEST_CASE("a rule that refuses answers MAIL or RCPT, also to those who are trusted") {
  scene s;
  auto no = rule(config::access_action::reject, 31);
  no.clients = {*ip_network::parse("192.0.2.0/24")};
  no.senders = {"bad.test"};
  auto later = rule(config::access_action::defer, 32);
  later.recipients = {"slow@"};
  later.text = "Come back at night";
  s.settings.policy.rules = {no, later};
  s.client.is_trusted = true;
  CHECK(s.connect() == "welcome");
  CHECK(s.mail("a@bad.test") == "policy_rejected Access denied [c.yaml:31: policy.rules]");
  CHECK(s.mail("a@good.test") == "welcome");
  CHECK(s.rcpt("slow@r.test") == "policy_deferred Come back at night [c.yaml:32: policy.rules]");
  CHECK(s.rcpt("r@r.test") == "welcome");
}

TEST_CASE("a rule that accepts ends the checks, but not the rates") {
  scene s;
  auto& policy = s.settings.policy;
  auto friends = rule(config::access_action::accept, 31);
  friends.senders = {"friend.test"};
  policy.rules = {friends};
  policy.hello = config::hello_check::syntax;
  policy.reverse_dns = config::reverse_dns_check::confirmed;
  policy.sender_domain = policy.recipient_domain = true;
  policy.dns_lists = {list("block.test")};
  policy.greylist.enabled = true;
  config::rate_limit limit;
  limit.of = config::rate_of::recipients;
  limit.limit = 2;
  limit.place = {"c.yaml", 40};
  policy.rates = {limit};
  s.dns.add_address("1.2.0.192.block.test", "127.0.0.2");
  s.client.hello = "???";
  s.connect();
  CHECK(s.mail("a@friend.test") == "welcome");
  CHECK(s.rcpt("r@none.test") == "welcome");
  CHECK(s.rcpt("s@none.test") == "welcome");
  CHECK(s.rcpt("t@none.test") == "rate_limited [c.yaml:40: policy.rates]");
  CHECK(s.mail("a@stranger.test") == "reverse_dns_failed [policy.reverse_dns]");
}

TEST_CASE("rules about names of clients have them looked up") {
  scene s;
  auto no = rule(config::access_action::reject, 31);
  no.client_names = {".dsl.test"};
  s.settings.policy.rules = {no};
  s.dns.add_ptr("192.0.2.1", "a.dsl.test");
  CHECK(s.keeper().asks_at_connect(s.client));
  s.connect();
  CHECK(s.mail("a@b.test") == "welcome");  // whoever owns an address can give it any name
  s.dns.add_address("a.dsl.test", "192.0.2.1");
  s.connect();
  CHECK(s.mail("a@b.test") == "policy_rejected Access denied [c.yaml:31: policy.rules]");
}

TEST_CASE("a gatekeeper that goes away ends its look-ups and whoever waits for them") {
  scene s;
  s.settings.policy.client_names = true;
  s.dns_takes(1h);
  auto asked = s.keeper().at_connect(s.client);
  bool over = false;
  net::asio::co_spawn(s.world.io, std::move(asked),
                      [&](std::exception_ptr, inbound::verdict) { over = true; });
  s.world.run_until([&] { return !s.dns.asked.empty(); }, 1s);
  CHECK_FALSE(over);
  s.keeper().stop();
  CHECK(s.run(s.keeper().join(1s)));
  CHECK(s.world.run_until([&] { return over; }, 0s));
  CHECK(s.client.name_lookup_failed);
}

}  // namespace
}  // namespace relais::testing
