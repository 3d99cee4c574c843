// Which way a recipient's mail takes, what a route says about it, and which hosts are trusted to be
// where they say.
#include "policy/route.hpp"

#include <catch2/catch.hpp>

#include "config/load.hpp"
#include "config/settings.hpp"

using namespace relais;
using namespace relais::policy;

namespace {

smtp::path path_of(std::string_view address) {
  return smtp::parse_address(address).value();
}

config::settings settings_of(const std::string& yaml) {
  auto loaded = config::load_text(yaml, "relais.yaml", config::process_environment());
  for (const auto& m : loaded.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(loaded.mistakes.empty());
  return std::move(loaded.values);
}

next_hop found(const routes& ways, std::string_view to, std::string_view from = "",
               std::string_view user = "", std::string_view listener = "") {
  const auto forward = path_of(to), reverse = path_of(from);
  return ways.find({forward, reverse, user, listener});
}

}  // namespace

TEST_CASE("without any route a recipient's mail goes to the MX hosts of its domain") {
  const routes direct(settings_of("hostname: us.example"));
  struct row {
    const char *to, *domain;
  };
  const auto r = GENERATE(values<row>({{"x@b.example", "b.example"},
                                       {"x@B.Example", "b.example"},
                                       {"x@[127.0.0.1]", "[127.0.0.1]"},
                                       {"x@[IPv6:::1]", "[ipv6:::1]"},
                                       {"postmaster", "us.example"}}));
  INFO(r.to);
  const auto hop = found(direct, r.to);
  CHECK(direct.at(hop).name == "MX");
  CHECK(direct.at(hop).follows_domain());
  CHECK(hop.domain == r.domain);
  CHECK(direct.text(hop) == r.domain);
  const auto hosts = direct.hosts(hop);
  REQUIRE(hosts.size() == 1);
  CHECK(hosts[0].name == r.domain);
  CHECK(hosts[0].lookup_mx);
  // What a sender wrote is no choice of the owner of this machine.
  CHECK_FALSE(hosts[0].is_chosen);
}

TEST_CASE("with a smarthost all mail goes there and literals as well") {
  const routes all(settings_of("smarthost: {host: \"[127.0.0.1]:2525\"}"));
  for (const std::string_view address : {"x@[192.0.2.1]", "x@b.example", "x@localhost"}) {
    INFO(address);
    const auto hop = found(all, address);
    CHECK(all.at(hop).name == "smarthost");
    CHECK(hop.domain.empty());
    CHECK(all.text(hop) == "[127.0.0.1]:2525");
    const auto hosts = all.hosts(hop);
    REQUIRE(hosts.size() == 1);
    CHECK(hosts[0].name == "127.0.0.1");
    CHECK(hosts[0].port == 2525);
    CHECK_FALSE(hosts[0].lookup_mx);
    CHECK(hosts[0].is_chosen);
  }
}

TEST_CASE("the first row that matches decides and all of its criteria must match") {
  const routes ways(settings_of(R"(
listeners: ["127.0.0.1:25", "127.0.0.1:2525"]
routes:
  - {name: one, recipients: [a@b.example, .sub.example], next_hops: ["[h1]"]}
  - {name: two, recipients: [b.example], senders: [boss@us.example], next_hops: ["[h2]"]}
  - {name: three, senders: ["<>"], next_hops: ["[h3]"]}
  - {name: four, recipients: [root@], users: [eve], next_hops: ["[h4]"]}
  - {name: five, users: [eve, Mallory], next_hops: ["[h5]"]}
  - {name: six, listeners: ["127.0.0.1:2525"], next_hops: ["[h6]"]}
  - {name: seven, recipients: [b.example, "\"a b\"@q.example"], next_hops: ["[h7]"]}
)"));
  struct row {
    const char *to, *from, *user, *listener, *name;
  };
  const auto r = GENERATE(values<row>({
      {"a@b.example", "x@far.example", "", "", "one"},
      {"A@B.EXAMPLE", "x@far.example", "", "", "one"},
      {"\"a\"@b.example", "x@far.example", "", "", "one"},
      {"x@y.sub.example", "x@far.example", "", "", "one"},
      {"x@z.y.sub.example", "x@far.example", "", "", "one"},
      {"x@sub.example", "x@far.example", "", "", "MX"},
      {"x@nosub.example", "x@far.example", "", "", "MX"},
      {"x@b.example", "Boss@us.example", "", "", "two"},
      {"x@b.example", "clerk@us.example", "", "", "seven"},
      {"x@b.example", "", "", "", "three"},
      {"a@b.example", "", "", "", "one"},
      {"root@far.example", "x@y.example", "eve", "", "four"},
      {"root@far.example", "x@y.example", "", "", "MX"},
      {"root@far.example", "x@y.example", "Mallory", "", "five"},
      {"x@far.example", "x@y.example", "eve", "", "five"},
      {"x@far.example", "x@y.example", "Eve", "", "MX"},
      {"x@far.example", "x@y.example", "", "127.0.0.1:2525", "six"},
      {"x@far.example", "x@y.example", "eve", "127.0.0.1:2525", "five"},
      {"x@far.example", "x@y.example", "", "127.0.0.1:25", "MX"},
      {"\"A b\"@q.example", "x@y.example", "", "", "seven"},
  }));
  INFO(r.to << ' ' << r.from << ' ' << r.user << ' ' << r.listener);
  const auto hop = found(ways, r.to, r.from, r.user, r.listener);
  CHECK(ways.at(hop).name == r.name);
  // The explanation agrees: no row before that one matches, and that one does.
  const auto forward = path_of(r.to), reverse = path_of(r.from);
  const route_subject subject{forward, reverse, r.user, r.listener};
  for (std::size_t i = 0; i < hop.route; ++i) CHECK_FALSE(ways.mismatch(i, subject).empty());
  CHECK(ways.mismatch(hop.route, subject).empty());
}

TEST_CASE("the criterion that does not match is named") {
  const routes ways(
      settings_of("routes: [{recipients: [b.example], senders: [us.example], users: [eve], "
                  "listeners: [\"127.0.0.1:25\"]}]"));
  const auto why = [&](std::string_view to, std::string_view from, std::string_view user,
                       std::string_view listener) {
    const auto forward = path_of(to), reverse = path_of(from);
    return ways.mismatch(0, {forward, reverse, user, listener});
  };
  CHECK(why("x@c.example", "x@c.example", "", "") == "recipients");
  CHECK(why("x@b.example", "x@c.example", "", "") == "senders");
  CHECK(why("x@b.example", "x@us.example", "", "") == "users");
  CHECK(why("x@b.example", "x@us.example", "eve", "") == "listeners");
  CHECK(why("x@b.example", "x@us.example", "eve", "127.0.0.1:25").empty());
}

TEST_CASE("a row for the postmaster of this host also takes the bare postmaster") {
  const routes ways(
      settings_of("hostname: us.example\nroutes: [{recipients: "
                  "[postmaster@us.example], next_hops: [\"[h]\"]}]"));
  CHECK(ways.at(found(ways, "postmaster")).name == "route 1");
  CHECK(ways.at(found(ways, "postmaster@b.example")).name == "MX");
}

TEST_CASE("thousands of rows keep their order") {
  config::settings settings;
  constexpr unsigned count = 3000;
  for (unsigned i = 0; i < count; ++i) {
    auto& row = settings.routes.emplace_back();
    row.recipients = {"d" + std::to_string(i % (count / 2)) + ".example"};
    if (i % 3 == 0) row.senders = {"s" + std::to_string(i) + "@us.example"};
    if (i % 7 == 0) row.users = {"u" + std::to_string(i % 2)};
    if (i % 11 == 0) row.recipients.clear();
    if (i % 1000 == 999) row = {};
    row.next_hops = {"[h]"};
  }
  const routes ways(settings);
  const auto plain = [&](const route_subject& s) {  // one after the other
    for (std::size_t i = 0; i < count; ++i)
      if (ways.mismatch(i, s).empty()) return i;
    return std::size_t{count};
  };
  for (unsigned i = 0; i < count; i += 13) {
    const auto to = path_of("x@d" + std::to_string(i) + ".example");
    const auto from = path_of("s" + std::to_string(i) + "@us.example");
    for (const std::string_view user : {"", "u0", "u1"}) {
      const route_subject subject{to, from, user, ""};
      CHECK(ways.find(subject).route == plain(subject));
    }
  }
}

TEST_CASE("next hops are hosts by preference and say how they are found") {
  const routes ways(settings_of(R"(
delivery: {port: 2600}
routes:
  - {recipients: [one.example], next_hops: ["[B.example]:587, preference 20, weight 3", relay.example, "mx, preference 10", "unix:/run/lmtp, weight 0"]}
  - {recipients: [two.example], next_hops: ["mx:587"]}
  - {recipients: [three.example], next_hops: ["[192.0.2.1]", "[2001:db8::1]:25"]}
)"));
  const auto one = found(ways, "x@One.example");
  CHECK(one.domain == "one.example");  // as one host follows from it
  const auto hosts = ways.hosts(one);
  REQUIRE(hosts.size() == 4);
  CHECK(hosts[0] == route_host{"relay.example", 2600, true, false, 0, 1, true});
  CHECK(hosts[1] == route_host{"/run/lmtp", 0, false, true, 0, 0, true});
  CHECK(hosts[2] == route_host{"one.example", 2600, true, false, 10, 1, false});
  CHECK(hosts[3] == route_host{"b.example", 587, false, false, 20, 3, true});
  CHECK(ways.text(one) == "relay.example:2600, unix:/run/lmtp, one.example:2600, [b.example]:587");
  CHECK(ways.at(one).follows_domain());

  CHECK(ways.text(found(ways, "x@two.example")) == "two.example:587");
  const auto three = found(ways, "x@three.example");
  CHECK(three.domain.empty());
  CHECK(ways.text(three) == "[192.0.2.1]:2600, [2001:db8::1]");
  CHECK(route_host{}.text() == "mx");
}

TEST_CASE("the fallback is used behind its limits and only once") {
  const routes ways(settings_of(R"(
routes:
  - {recipients: [both.example], fallback: ["[backup]"], fallback_attempts: 3, fallback_time: 1h}
  - {recipients: [count.example], next_hops: ["[h]"], fallback: [mx], fallback_attempts: 1}
  - {recipients: [time.example], next_hops: ["[h]"], fallback: ["[backup]"], fallback_time: 1h}
  - {recipients: [none.example], next_hops: ["[h]"]}
)"));
  struct row {
    const char* to;
    unsigned attempts;
    duration age;
    bool wants;
  };
  using namespace std::chrono_literals;
  const auto r = GENERATE(values<row>({{"x@both.example", 2, 59min, false},
                                       {"x@both.example", 3, 0s, true},
                                       {"x@both.example", 0, 1h, true},
                                       {"x@count.example", 0, 999h, false},
                                       {"x@count.example", 1, 0s, true},
                                       {"x@time.example", 999, 0s, false},
                                       {"x@time.example", 1, 1h, true},
                                       {"x@none.example", 999, 999h, false},
                                       {"x@far.example", 999, 999h, false}}));
  INFO(r.to << ' ' << r.attempts);
  auto hop = found(ways, r.to);
  CHECK(ways.wants_fallback(hop, r.attempts, r.age) == r.wants);
  if (!r.wants) return;
  hop.is_fallback = true;
  CHECK_FALSE(ways.wants_fallback(hop, r.attempts, r.age));
  CHECK(ways.text(hop) == (hop.domain == "count.example" ? "count.example" : "[backup]"));
}

TEST_CASE("what an operator writes is the route that leads there or a way of its own") {
  const routes ways(settings_of(R"(
smarthost: {host: "relay.example:587"}
routes:
  - {name: gateway, recipients: [a.example], next_hops: ["[gw.example]:587", "[gw2.example]"]}
  - {name: store, recipients: [b.example], next_hops: ["unix:/run/lmtp"], protocol: lmtp}
  - {name: secure, recipients: [c.example], next_hops: [mx], tls: verify}
  - {name: gone, recipients: [d.example], action: discard}
)"));
  struct row {
    const char *written, *name, *domain, *text;
  };
  const auto r = GENERATE(values<row>({
      {"relay.example:587", "smarthost", "", "relay.example:587"},
      {"Relay.Example:587", "smarthost", "", "relay.example:587"},
      {"[gw.example]:587, [gw2.example]", "gateway", "", "[gw.example]:587, [gw2.example]"},
      {"[gw.example]:587", "operator", "[gw.example]:587", "[gw.example]:587"},
      {"unix:/run/lmtp", "store", "", "unix:/run/lmtp"},
      {"unix:/run/other", "operator", "unix:/run/other", "unix:/run/other"},
      {"c.example", "secure", "c.example", "c.example"},
      {"Far.example", "MX", "far.example", "far.example"},
      {"far.example:2525", "operator", "far.example:2525", "far.example:2525"},
      {"d.example", "MX", "d.example", "d.example"},
      {"192.0.2.1", "operator", "[192.0.2.1]", "[192.0.2.1]"},
  }));
  INFO(r.written);
  const auto hop = ways.parse(r.written);
  REQUIRE(hop);
  CHECK(ways.at(*hop).name == r.name);
  CHECK(hop->domain == r.domain);
  CHECK(ways.text(*hop) == r.text);
  CHECK(ways.parse(ways.text(*hop)) == hop);
  for (const auto& host : ways.hosts(*hop)) CHECK(host.is_chosen != ways.at(*hop).follows_domain());
  CHECK_FALSE(ways.hosts(*hop).empty());
}

TEST_CASE("the port of an operator's host survives another usual port") {
  const routes ways(settings_of("delivery: {port: 2600}"));
  for (const std::string_view written :
       {"[h]", "[h]:25", "[h]:2600", "far.example", "h.example:25"}) {
    INFO(written);
    const auto hop = ways.parse(written);
    REQUIRE(hop);
    CHECK(ways.parse(ways.text(*hop)) == hop);
    CHECK(ways.hosts(*hop).at(0).port == (written.ends_with(":25") ? 25 : 2600));
  }
}

TEST_CASE("what is no next hop cannot be an operator's") {
  const routes ways(settings_of(""));
  for (const std::string_view written : {"", "mx", "mx:25", "a b", "[h], preference 10", "[h], [g]",
                                         "unix:relative", "x@y.example", "[h", "h:0", "discard"}) {
    INFO(written);
    const auto hop = ways.parse(written);
    // A single word is a domain like any other.
    CHECK(hop.has_value() == (written == "discard"));
  }
}

TEST_CASE("a route has what its row says and else what holds for all") {
  using namespace std::chrono_literals;
  const routes ways(settings_of(R"(
hostname: us.example
delivery: {tls: encrypt, tls_ca_file: /ca, tls_certificate: /cert, tls_key: /key,
           concurrency_per_destination: 7, initial_concurrency: 3, messages_per_connection: 9}
retry: {intervals: [1m, 2m], jitter: 5, queue_lifetime: 10h, bounce_lifetime: 5h, delay_warnings: [3h, 1h]}
smarthost: {host: relay.example, username: all, password: secret}
routes:
  - {recipients: [plain.example]}
  - {recipients: [full.example], next_hops: ["[h]"], tls: verify, verify_names: [.h.example],
     tls_ca_file: /ca2, tls_certificate: /cert2, username: me, password: mine,
     source_ipv4: 192.0.2.7, source_ipv6: "2001:db8::7", hello: bulk.example, concurrency: 2,
     messages_per_connection: 4, messages: 100, connections: 10, rate_window: 1h,
     retry_intervals: [5s], queue_lifetime: 1h}
  - {recipients: [error.example], action: error, text: "5.7.1 Not from here"}
  - {recipients: [plainerror.example], action: error}
  - {recipients: [held.example], action: hold}
)"));
  const auto& plain = ways.at(found(ways, "x@plain.example"));
  CHECK(plain.name == "route 1");
  CHECK(plain.place.text() == "relais.yaml:8");
  CHECK(plain.tls == config::tls_choice::encrypt);
  CHECK(plain.tls_source == "delivery.tls");
  CHECK(plain.tls_ca_file == "/ca");
  CHECK(plain.tls_certificate == "/cert");
  CHECK(plain.tls_key == "/key");
  CHECK(plain.login == smtp::credentials("all", "secret"));
  CHECK_FALSE(plain.source_ipv4);
  CHECK(plain.hello == "us.example");
  CHECK(plain.concurrency == 7);
  CHECK(plain.initial_concurrency == 3);
  CHECK(plain.messages_per_connection == 9);
  CHECK(plain.messages == 0);
  CHECK(plain.retry.intervals == std::vector<duration>{1min, 2min});
  CHECK(plain.retry.jitter_percent == 5);
  CHECK(plain.retry.lifetime == 10h);
  CHECK(plain.retry.bounce_lifetime == 5h);
  CHECK(plain.retry.warnings == std::vector<duration>{1h, 3h});  // growing
  CHECK(plain.hosts.at(0).name == "relay.example");

  const auto& full = ways.at(found(ways, "x@full.example"));
  CHECK(full.tls == config::tls_choice::verify);
  CHECK(full.tls_source == "relais.yaml:9: routes");
  CHECK(full.verify_names == std::vector<std::string>{".h.example"});
  CHECK(full.tls_ca_file == "/ca2");
  CHECK(full.tls_certificate == "/cert2");
  CHECK(full.tls_key.empty());  // never another certificate's
  CHECK(full.login == smtp::credentials("me", "mine"));
  CHECK(full.source_ipv4 == ip_address::parse("192.0.2.7"));
  CHECK(full.source_ipv6 == ip_address::parse("2001:db8::7"));
  CHECK(full.hello == "bulk.example");
  CHECK(full.concurrency == 2);
  CHECK(full.initial_concurrency == 2);
  CHECK(full.messages_per_connection == 4);
  CHECK(full.messages == 100);
  CHECK(full.connections == 10);
  CHECK(full.rate_window == 1h);
  CHECK(full.retry.intervals == std::vector<duration>{5s});
  CHECK(full.retry.lifetime == 1h);
  CHECK(full.retry.bounce_lifetime == 1h);

  const auto error = found(ways, "x@error.example");
  CHECK(ways.at(error).action == config::route_action::error);
  CHECK(ways.at(error).status == "5.7.1");
  CHECK(ways.at(error).text == "Not from here");
  CHECK(ways.text(error) == "error");
  CHECK(ways.hosts(error).empty());
  CHECK_FALSE(ways.at(error).login);
  CHECK(ways.at(found(ways, "x@plainerror.example")).status == "5.1.1");
  CHECK(ways.text(found(ways, "x@held.example")) == "hold");
}

TEST_CASE("a route with hosts of its own never has the smarthost's credentials") {
  const routes ways(settings_of(
      "smarthost: {host: relay.example, username: all, password: secret}\n"
      "routes: [{recipients: [b.example], next_hops: [\"[h]\"]}, {senders: [us.example], username: "
      "own, password: too}]"));
  CHECK_FALSE(ways.at(found(ways, "x@b.example")).login);
  CHECK(ways.at(found(ways, "x@far.example", "x@us.example")).login ==
        smtp::credentials("own", "too"));
  CHECK(ways.at(found(ways, "x@far.example")).login == smtp::credentials("all", "secret"));
  CHECK_FALSE(ways.all().back()->login);  // of operators
}

TEST_CASE("inbound keeps the user and the listener only for routes that ask") {
  CHECK_FALSE(routes::need_user(settings_of("routes: [{senders: [us.example]}]")));
  CHECK(routes::need_user(settings_of("routes: [{users: [eve]}]")));
  CHECK_FALSE(routes::need_listener(settings_of("routes: [{users: [eve]}]")));
  CHECK(routes::need_listener(settings_of("routes: [{listeners: [\"127.0.0.1:25\"]}]")));
}
