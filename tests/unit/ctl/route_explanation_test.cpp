// What `relaisctl route test` says, with the DNS's answers handed in.
#include "daemon/ctl/route_explanation.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "config/load.hpp"

using namespace relais;
using namespace relais::ctl;
using namespace std::chrono_literals;

namespace {

constexpr const char* configuration = R"(hostname: us.example
listeners: ["127.0.0.1:25"]
routes:
  - {name: odd, users: [eve], next_hops: ["[odd.example]"]}
  - {recipients: [a.example], next_hops: ["[gw.example]:587, weight 3", "mx, preference 10"], tls: verify,
     verify_names: [.gw.example], fallback: ["[backup.example]"], fallback_attempts: 3, fallback_time: 1h,
     source_ipv4: 192.0.2.7, hello: bulk.example, messages: 600, retry_intervals: [1m, 1h], queue_lifetime: 90m}
  - {recipients: [b.example], next_hops: ["[relay.example]:587"], username: us, password: swordfish}
  - {recipients: [c.example], action: error, text: "5.7.1 Not from here"}
  - {recipients: [d.example], action: hold}
  - {recipients: [e.example], action: discard}
)";

policy::routes ways_of(const char* yaml) {
  auto loaded = config::load_text(yaml, "relais.yaml", config::process_environment());
  for (const auto& m : loaded.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(loaded.mistakes.empty());
  return policy::routes(loaded.values);
}

route_explanation explained(std::string_view to, std::string_view user = {}) {
  route_question q;
  q.to = *smtp::parse_address(to);
  q.from = *smtp::parse_address("joe@us.example");
  q.user = user;
  return explain(ways_of(configuration), q);
}

host_answer answer(bool chosen, dns::host_fault fault) {
  host_answer a;
  a.at.name = "a.example";
  a.at.lookup_mx = true;
  a.at.is_chosen = chosen;
  a.found.fault = fault;
  if (fault == dns::host_fault::none) {
    a.found.hosts.push_back({"mx.a.example", *ip_address::parse("192.0.2.1"), 10});
  } else {
    a.found.reason = "a sentence";
  }
  return a;
}

}  // namespace

TEST_CASE("a way is explained in full") {
  auto found = explained("x@a.example");
  host_answer gateway = answer(true, dns::host_fault::no_mail_host), domain = answer(false, {});
  gateway.at = {"gw.example", 587, false, false, 0, 3, true};
  domain.at.preference = 10;
  domain.refused.push_back({*ip_address::parse("127.0.0.1"), "loopback, private or link-local"});
  found.hosts = {gateway, domain};
  CHECK(to_text(found) ==
        "to          x@a.example\n"
        "from        joe@us.example\n"
        "passed over odd (relais.yaml:4): users do not match\n"
        "route       route 2 (relais.yaml:5)\n"
        "next hop    [gw.example]:587, a.example\n"
        "TLS         verify (relais.yaml:5: routes)\n"
        "            to one of: .gw.example\n"
        "source      192.0.2.7\n"
        "hello       bulk.example\n"
        "limits      20 connections, 2 at first, 100 messages over each\n"
        "            600 messages in 1m\n"
        "attempts    at once, after 1m, 1h1m, 1h30m; then it goes back\n"
        "hosts       [gw.example]:587, preference 0, weight 3\n"
        "              a sentence\n"
        "            a.example, preference 10, weight 1\n"
        "              10 mx.a.example[192.0.2.1]:25\n"
        "              never 127.0.0.1: loopback, private or link-local\n"
        "fallback    [backup.example] behind 3 failed attempts or after 1h\n");
  CHECK(verdict_of(found) == exit_code::ok);

  const auto json = boost::json::parse(to_json(found)).as_object();
  CHECK(json.at("route") == "route 2");
  CHECK(json.at("place") == "relais.yaml:5");
  CHECK(json.at("passed").at(0).at("mismatch") == "users");
  CHECK(json.at("next_hop") == "[gw.example]:587, a.example");
  CHECK(json.at("tls").at("level") == "verify");
  CHECK(json.at("tls").at("verify_names").at(0) == ".gw.example");
  CHECK(json.at("login").is_null());
  CHECK(json.at("attempts").at("at").at(2) == 3660);
  CHECK(json.at("attempts").at("lifetime") == 5400);
  CHECK(json.at("hosts").at(0).at("fault") == "no_mail_host");
  CHECK(json.at("hosts").at(1).at("addresses").at(0).at("address") == "192.0.2.1");
  CHECK(json.at("hosts").at(1).at("refused").at(0).at("address") == "127.0.0.1");
  CHECK(json.at("fallback").at("attempts") == 3);
  CHECK(json.at("user").is_null());
}

TEST_CASE("the user of a login is shown and its password never") {
  const auto found = explained("x@b.example");
  for (const auto& shown : {to_text(found), to_json(found)}) {
    INFO(shown);
    CHECK(shown.find("us") != std::string::npos);
    CHECK(shown.find("swordfish") == std::string::npos);
  }
  CHECK(to_text(found).find("TLS         encrypt (login)\nlogin       us\n") != std::string::npos);
}

TEST_CASE("actions but relay have no hosts and their own verdict") {
  struct row {
    const char *to, *line;
    exit_code code;
  };
  const auto r = GENERATE(values<row>({
      {"x@c.example", "action      error: it goes back to its sender, 5.7.1 Not from here\n",
       exit_code::no_host},
      {"x@d.example", "action      hold: it is kept until relaisctl releases it\n", exit_code::ok},
      {"x@e.example", "action      discard: it is dropped\n", exit_code::ok},
  }));
  INFO(r.to);
  const auto found = explained(r.to);
  CHECK(to_text(found).ends_with(r.line));
  CHECK(verdict_of(found) == r.code);
  const auto json = boost::json::parse(to_json(found)).as_object();
  CHECK_FALSE(json.contains("hosts"));
  CHECK(json.at("status").is_null() == (r.code != exit_code::no_host));
}

TEST_CASE("the verdict is what delivery would make of the DNS's answers") {
  using dns::host_fault;
  struct row {
    bool chosen;
    host_fault fault;
    exit_code code;
  };
  const auto r = GENERATE(values<row>({{false, host_fault::none, exit_code::ok},
                                       {false, host_fault::no_such_domain, exit_code::no_host},
                                       {false, host_fault::null_mx, exit_code::no_host},
                                       {false, host_fault::loops_to_self, exit_code::no_host},
                                       {false, host_fault::forbidden_address, exit_code::no_host},
                                       {false, host_fault::temporary, exit_code::temporary},
                                       {true, host_fault::no_such_domain, exit_code::temporary},
                                       {true, host_fault::temporary, exit_code::temporary},
                                       {true, host_fault::none, exit_code::ok}}));
  auto found = explained("x@far.example");
  found.hosts = {answer(r.chosen, r.fault)};
  CHECK(verdict_of(found) == r.code);
  CHECK(boost::json::parse(to_json(found)).at("hosts").at(0).at("fault").is_null() ==
        (r.fault == host_fault::none));
  // One good host is enough.
  found.hosts.push_back(answer(false, host_fault::none));
  CHECK(verdict_of(found) == exit_code::ok);
}

TEST_CASE("attempts are counted from the arrival and end with the lifetime") {
  policy::retry_schedule s;
  s.intervals = {1min, 10min};
  s.lifetime = 30min;
  s.bounce_lifetime = 5min;
  CHECK(times_of(s, false).at == std::vector<duration>{0min, 1min, 11min, 21min, 30min});
  CHECK(times_of(s, true).at == std::vector<duration>{0min, 1min, 5min});
  s.lifetime = 24h;
  const auto times = times_of(s, false);
  CHECK(times.at.size() == 16);
  CHECK(times.then_every == 10min);
  CHECK(times.lifetime == 24h);
  s.intervals = {};
  CHECK(times_of(s, false).at == std::vector<duration>{0min});
}
