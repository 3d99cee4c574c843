// Routes and reply rules that could not work, or would do less than they say.
#include <catch2/catch.hpp>
#include <string>

#include "settings_for_test.hpp"

using namespace relais;
using namespace relais::config;

namespace {

const std::string print_of(64, 'a');

std::string mistakes_of(const std::string& yaml) {
  std::string all;
  for (const auto& m : load(yaml).mistakes) all += m.to_text() + '\n';
  return all;
}

/// One route behind `before`, in line 1 if there is nothing.
std::string with(const std::string& route, const std::string& before = {}) {
  return before + "routes: [" + route + "]\n";
}

}  // namespace

TEST_CASE("a route that could not work is a mistake with its place") {
  struct row {
    std::string yaml, part;
  };
  const std::string hop = "next_hops: [\"[h]\"], ";
  const auto r = GENERATE_COPY(values<row>({
      {with("{" + hop + "username: u}"), "neither password nor password_file"},
      {with("{" + hop + "password: p}"), "its password is set, but not its username"},
      {with("{" + hop + "username: u, password: p, password_file: /x}"), "keep one"},
      {with("{" + hop + "username: u, password: p, tls: none}"), "never sent without TLS"},
      {with("{" + hop + "username: u, password: p}", "delivery: {tls: none}\n"),
       "never sent without TLS"},
      {with("{username: u, password: p}"), "hosts of any domain"},
      {with("{next_hops: [\"[h]\", mx], username: u, password: p}"), "hosts of any domain"},
      {with("{" + hop + "fallback: [mx], fallback_attempts: 1, username: u, password: p}"),
       "hosts of any domain"},
      {with("{tls: none}", "smarthost: {host: h, username: u, password: p}\n"),
       "the smarthost's credentials are never sent without TLS"},
      {with("{fallback: [\"[b]\"], fallback_attempts: 1}",
            "smarthost: {host: h, username: u, password: p}\n"),
       "would be sent to the fallback"},
      {with("{tls: fingerprint}"), "fingerprints is empty"},
      {with("{fingerprints: [" + print_of + "]}"), "need tls: fingerprint"},
      {with("{tls: verify, fingerprints: [" + print_of + "]}"), "need tls: fingerprint"},
      {with("{verify_names: [h.example]}"), "verify_names need tls: verify"},
      {with("{tls: encrypt, verify_names: [h.example]}"), "verify_names need tls: verify"},
      {with("{tls: encrypt, tls_ca_file: /ca}"), "tls_ca_file needs tls: verify"},
      {with("{tls_key: /key}"), "tls_key is set, but not tls_certificate"},
      {with("{next_hops: [\"unix:/run/smtp\"], tls: verify}"), "needs verify_names"},
      {with("{protocol: lmtp}"), "lmtp needs next_hops"},
      {with("{protocol: lmtp, next_hops: [mx]}"), "MX hosts do not speak LMTP"},
      {with("{protocol: lmtp, next_hops: [\"h.example:24\"]}"), "MX hosts do not speak LMTP"},
      {with("{protocol: lmtp, next_hops: [\"[h]\"]}"), "LMTP has no usual port"},
      {with("{protocol: lmtp, next_hops: [\"[h]:24\"], fallback: [\"[g]\"], fallback_time: 1h}"),
       "LMTP has no usual port"},
      {with("{fallback_attempts: 1}"), "need fallback"},
      {with("{fallback_time: 1h}"), "need fallback"},
      {with("{fallback: [\"[b]\"]}"), "fallback needs fallback_attempts or fallback_time"},
      {with("{action: discard, next_hops: [\"[h]\"]}"), "action relay sends mail"},
      {with("{action: hold, tls: verify}"), "action relay sends mail"},
      {with("{action: error, username: u}"), "action relay sends mail"},
      {with("{text: No}"), "text is for action error"},
      {with("{action: hold, text: No}"), "text is for action error"},
      {with("{listeners: [\"192.0.2.1:25\"]}"), "no listener has the address 192.0.2.1:25"},
  }));
  INFO(r.yaml);
  const auto found = mistakes_of(r.yaml);
  INFO(found);
  CHECK(found.find(r.part) != std::string::npos);
  CHECK(found.find("route 1: ") != std::string::npos);
  const auto line = r.yaml.starts_with("routes") ? "1" : "2";
  CHECK(found.starts_with("t.yaml:" + std::string(line) + ":10: "));
  CHECK(found.find('\n') == found.size() - 1);
}

TEST_CASE("a route that can work is no mistake") {
  const auto yaml = GENERATE_COPY(
      with("{next_hops: [\"[h]\"], username: u, password: p, tls: may}"),
      with("{username: u, password: p}", "smarthost: {host: h}\n"),
      with("{senders: [a@b.example]}", "smarthost: {host: h, username: u, password: p}\n"),
      with("{tls: fingerprint, fingerprints: [" + print_of + "]}"),
      with("{verify_names: [.h.example]}", "delivery: {tls: verify}\n"),
      with("{next_hops: [\"unix:/run/smtp\"]}", "delivery: {tls: verify}\n"),
      with("{next_hops: [\"unix:/run/smtp\"], tls: verify, verify_names: [h.example]}"),
      with("{protocol: lmtp, next_hops: [\"[h]:24\", \"unix:/run/lmtp\"]}"),
      with("{action: error, text: \"5.7.1 No\", name: no, users: [eve], senders: [\"<>\"]}"),
      with("{listeners: [\":25\"]}", "listeners: [\"*:25\"]\n"),
      with("{fallback: [mx], fallback_attempts: 1, fallback_time: 1h}"));
  INFO(yaml);
  CHECK(mistakes_of(yaml) == "");
}

TEST_CASE("a route that no mail can reach is a mistake") {
  struct row {
    const char *first, *second;
    bool hidden;
  };
  const auto r = GENERATE(values<row>({
      {"{}", "{recipients: [a@b.example]}", true},
      {"{}", "{}", true},
      {"{name: all, tls: encrypt}", "{users: [eve]}", true},
      {"{recipients: [b.example]}", "{recipients: [a@B.example]}", true},
      {"{recipients: [b.example]}", "{recipients: [b.example], senders: [x@y.example]}", true},
      {"{recipients: [.example]}", "{recipients: [.b.example, x@c.example]}", true},
      {"{recipients: [.b.example]}", "{recipients: [a.b.example]}", true},
      {"{recipients: [root@]}", "{recipients: [Root@b.example]}", true},
      {"{recipients: [b.example, c.example]}", "{recipients: [c.example, b.example]}", true},
      {"{recipients: [b.example]}", "{recipients: [b.example, c.example]}", false},
      {"{recipients: [b.example]}", "{recipients: [.b.example]}", false},
      {"{recipients: [.b.example]}", "{recipients: [b.example]}", false},
      {"{recipients: [a@b.example]}", "{recipients: [b.example]}", false},
      {"{recipients: [b.example]}", "{recipients: [root@]}", false},
      {"{recipients: [b.example], users: [eve]}", "{recipients: [b.example]}", false},
      {"{senders: [b.example]}", "{}", false},
  }));
  const auto yaml =
      "routes:\n  - " + std::string(r.first) + "\n  - " + std::string(r.second) + "\n";
  INFO(yaml);
  const auto found = mistakes_of(yaml);
  INFO(found);
  CHECK(found.empty() != r.hidden);
  if (!r.hidden) return;
  CHECK(found.starts_with("t.yaml:3:5: route 2: it never matches, as route "));
  CHECK(found.find("(t.yaml:2) before it takes all of its mail") != std::string::npos);
}

TEST_CASE("only the rows that are hidden are mistakes and the first taker of all is named") {
  const auto found = mistakes_of(
      "routes:\n"
      "  - {recipients: [b.example]}\n"
      "  - {recipients: [c.example]}\n"
      "  - {recipients: [b.example, c.example]}\n"
      "  - {}\n"
      "  - {users: [eve]}\n");
  CHECK(found ==
        "t.yaml:4:5: route 3: it never matches, as route 2 (t.yaml:3) before it takes all of "
        "its mail\n"
        "t.yaml:6:5: route 5: it never matches, as route 4 (t.yaml:5) before it takes all of "
        "its mail\n");
}

TEST_CASE("values of routes and reply rules that are wrong by themselves have their place") {
  struct row {
    const char *yaml, *mistake;
  };
  const auto r = GENERATE(values<row>({
      {"routes: [{next_hops: [nowhere:x]}]", ":1:23: routes.next_hops \"nowhere:x\" is not a next"},
      {"routes: [{recipients: [\"<>\"]}]", ":1:24: routes.recipients \"<>\" is no recipient"},
      {"routes: [{recipients: [a b]}]", ":1:24: routes.recipients \"a b\" is no address pattern"},
      {"routes: [{senders: [\"@b.example\"]}]", ":1:21: routes.senders \"@b.example\" is no"},
      {"routes: [{source_ipv4: \"::1\"}]", ":1:24: routes.source_ipv4 \"::1\" is not an IPv4"},
      {"routes: [{source_ipv6: 1.2.3.4}]", ":1:24: routes.source_ipv6 \"1.2.3.4\" is not an IPv6"},
      {"routes: [{action: error, text: 4.1.1 no}]", ":1:32: routes.text \"4.1.1 no\" is not the"},
      {"routes: [{tls: strong}]", ":1:16: routes.tls \"strong\" is none of auto, none, may, encr"},
      {"routes: [{hello: a_b}]", ":1:18: routes.hello \"a_b\" is not a host name"},
      {"routes: [{listeners: [nowhere]}]",
       ":1:23: routes.listeners \"nowhere\" is not the address"},
      {"routes: [{messages: 5/s}]", ":1:21: routes.messages \"5/s\" is not a number"},
      {"delivery: {tls: fingerprint}", ":1:17: delivery.tls \"fingerprint\" is for routes only"},
      {"delivery: {tls: auto}", ":1:17: delivery.tls \"auto\" is for routes only"},
      {"delivery: {tls_key: /k}", ":1:21: delivery.tls_key is set, but not delivery.tls_cert"},
      {"report: {postmaster: joe}", ":1:22: report.postmaster \"joe\" is not a mail address"},
      {"reply_rules: [{reply: \"(\"}]", ":1:23: reply_rules.reply \"(\" is no regular expression:"},
      {"reply_rules: [{reply: \"a{2,1}\"}]", ":1:23: reply_rules.reply \"a{2,1}\" is no regular"},
      {"reply_rules: [{action: pause}]", ":1:15: reply_rules item has no \"reply\""},
      {"reply_rules: [{reply: x, action: defer, time: 1h}]", ":1:15: reply_rules: time is for act"},
      {"routes: [{next_hops: [\"[h]\"], username: u, password_file: /no/such/file}]",
       ":1:10: routes.password_file \"/no/such/file\" cannot be opened"},
  }));
  INFO(r.yaml);
  const auto found = mistakes_of(r.yaml);
  INFO(found);
  CHECK(found.starts_with("t.yaml" + std::string(r.mistake)));
  CHECK(found.find('\n') == found.size() - 1);
}

TEST_CASE("an expression that is too long is refused") {
  CHECK(mistakes_of("reply_rules: [{reply: " + std::string(1001, 'a') + "}]")
            .find("is too long: at most 1000 characters") != std::string::npos);
  CHECK(mistakes_of("reply_rules: [{reply: " + std::string(1000, 'a') + "}]").empty());
}

TEST_CASE("the password of a route is never in a mistake") {
  for (const std::string yaml :
       {"routes: [{next_hops: [\"[h]\"], username: u, password: \"sword${fish\"}]",
        "routes: [{password: [swordfish]}]", "routes: [{username: u, password: swordfish}]"}) {
    INFO(yaml);
    const auto found = mistakes_of(yaml);
    CHECK_FALSE(found.empty());
    CHECK(found.find("fish") == std::string::npos);
  }
}
