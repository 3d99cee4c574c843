// Lists of maps: listeners, certificates, rules, DNS lists, rates, texts of replies. Short and long
// forms, places, and what is said about wrong ones.
#include <catch2/catch.hpp>
#include <string>

#include "base/text.hpp"
#include "settings_for_test.hpp"

using namespace relais;
using namespace relais::config;
using namespace std::chrono_literals;

namespace {

settings good(std::string_view yaml) {
  const auto result = load(yaml);
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  return result.values;
}

const std::string hex(64, 'b');

}  // namespace

TEST_CASE("a listener has all that it can have and its short form the defaults") {
  const auto s = good(R"(
tls: {certificates: [/etc/relais/cert.pem]}
auth: {users_file: /etc/relais/users}
listeners:
  - address: "*:465"
    role: submission
    tls: implicit
    tls_minimum: TLSv1.3
    require_auth: yes
    newlines: normalize
    extensions_off: [chunking, Binarymime]
    message_size: 10 MiB
    recipients: 100
    connections: 50
    banner_delay: 2s
    trusted_networks: []
    proxy_protocol: true
    client_certificates: true
    hide_client: true
  - {address: /run/relais/smtp, mode: 660}
  - systemd:smtp
)");
  REQUIRE(s.listeners.size() == 3);
  const auto& l = s.listeners[0];
  CHECK(l.address == *listen_address::parse("*:465"));
  CHECK(l.role == listener_role::submission);
  CHECK(l.tls == listener_tls::implicit);
  CHECK(l.tls_minimum == tls_version::v1_3);
  CHECK(l.require_auth == tristate::yes);
  CHECK(l.newlines == newline_choice::normalize);
  CHECK(l.extensions_off == std::vector<std::string>{"CHUNKING", "BINARYMIME"});
  CHECK(l.message_size == 10_MiB);
  CHECK(l.recipients == 100);
  CHECK(l.connections == 50);
  CHECK(l.banner_delay == 2s);
  REQUIRE(l.trusted_networks);
  CHECK(l.trusted_networks->empty());
  CHECK(l.proxy_protocol);
  CHECK(l.client_certificates);
  CHECK(l.hide_client);
  CHECK(s.listeners[1].mode == 0660);
  listener plain;
  plain.address = *listen_address::parse("systemd:smtp");
  CHECK(s.listeners[2] == plain);
  CHECK_FALSE(s.listeners[2].trusted_networks);
}

TEST_CASE("certificates are paths or maps") {
  const auto s = good("tls: {certificates: [/a.pem, {certificate: /b.pem, key: /b.key}]}");
  CHECK(s.tls.certificates ==
        std::vector<certificate_settings>{{"/a.pem", ""}, {"/b.pem", "/b.key"}});
}

TEST_CASE("rules and lists and rates know where they were written") {
  const auto s = good(R"(
policy:
  rules:
    - {clients: [192.0.2.0/24, "2001:db8::/32"], action: accept}
    - senders: [Joe@Example.ORG, .Spam.example, "<>", news@]
      recipients: [A.example]
      client_names: [.Dynamic.example]
      hellos: [LOCALHOST]
      users: [Bob]
      action: defer
      text: Come back
  dns_lists:
    - Zen.example
    - {zone: allow.example, score: -3, answers: [127.0.0.2, 127.0.1.0/24], text: Listed}
  rates:
    - {of: recipients, per: network, limit: 5, window: 1h}
)");
  REQUIRE(s.policy.rules.size() == 2);
  CHECK(s.policy.rules[0].clients.size() == 2);
  CHECK(s.policy.rules[0].action == access_action::accept);
  CHECK(s.policy.rules[0].place.text() == "t.yaml:4");
  const auto& rule = s.policy.rules[1];
  CHECK(rule.senders ==
        std::vector<std::string>{"Joe@example.org", ".spam.example", "<>", "news@"});
  CHECK(rule.recipients == std::vector<std::string>{"a.example"});
  CHECK(rule.client_names == std::vector<std::string>{".dynamic.example"});
  CHECK(rule.hellos == std::vector<std::string>{"localhost"});
  CHECK(rule.users == std::vector<std::string>{"Bob"});
  CHECK(rule.action == access_action::defer);
  CHECK(rule.text == "Come back");
  CHECK(rule.place.text() == "t.yaml:5");
  REQUIRE(s.policy.dns_lists.size() == 2);
  CHECK(s.policy.dns_lists[0].zone == "zen.example");
  CHECK(s.policy.dns_lists[0].score == 1);
  CHECK(s.policy.dns_lists[0].place.text() == "t.yaml:13");
  CHECK(s.policy.dns_lists[1].score == -3);
  CHECK(s.policy.dns_lists[1].answers.size() == 2);
  CHECK(s.policy.dns_lists[1].place.text() == "t.yaml:14");
  REQUIRE(s.policy.rates.size() == 1);
  CHECK(s.policy.rates[0].of == rate_of::recipients);
  CHECK(s.policy.rates[0].per == rate_per::network);
  CHECK(s.policy.rates[0].limit == 5);
  CHECK(s.policy.rates[0].window == 1h);
  CHECK(s.policy.rates[0].place.text() == "t.yaml:16");
}

TEST_CASE("texts of replies are a map or a list of maps") {
  const auto* yaml = GENERATE("replies: {relay_denied: \"Not here: {}\", ok: Fine}",
                              "replies:\n  relay_denied: \"Not here: {}\"\n  ok: Fine",
                              "replies: [{reply: relay_denied, text: \"Not here: {}\"}, {text: "
                              "Fine, reply: ok}]");
  INFO(yaml);
  const auto s = good(yaml);
  REQUIRE(s.replies.size() == 2);
  CHECK(s.replies[0].reply == "relay_denied");
  CHECK(s.replies[0].text == "Not here: {}");
  CHECK(s.replies[0].place.line > 0);
  CHECK(s.replies[1].reply == "ok");
  CHECK(s.replies[1].text == "Fine");
  CHECK(good("replies: {}").replies.empty());
  CHECK(good("replies: []").replies.empty());
}

TEST_CASE("fingerprints are kept as lower hexadecimal digits") {
  std::string colons;
  for (int i = 0; i < 32; ++i) colons += (i == 0 ? "" : ":") + std::string("BB");
  for (const auto& text : {hex, to_lower(hex), colons, std::string(64, 'B')}) {
    INFO(text);
    const auto s = good(
        "listeners: [{address: \"*:25\", client_certificates: yes}]\n"
        "relay: {trusted_certificates: [\"" +
        text +
        "\"]}\n"
        "auth: {certificates: [{fingerprint: \"" +
        text + "\", user: printer}]}");
    CHECK(s.relay.trusted_certificates == std::vector<std::string>{hex});
    REQUIRE(s.auth.certificates.size() == 1);
    CHECK(s.auth.certificates[0].fingerprint == hex);
    CHECK(s.auth.certificates[0].user == "printer");
  }
}

TEST_CASE("variables expand in items, too") {
  const auto result =
      load("listeners: [\"${A}\", {address: \"127.0.0.1:${P:-2525}\"}]\nreplies: {ok: \"${T}\"}",
           variables({{"A", "*:25"}, {"T", "Fine"}}));
  REQUIRE(result.mistakes.empty());
  CHECK(result.values.listeners[0].address.text() == "*:25");
  CHECK(result.values.listeners[1].address.text() == "127.0.0.1:2525");
  CHECK(result.values.replies[0].text == "Fine");
}

TEST_CASE("a wrong item leaves the default list") {
  CHECK(load("listeners: [\"*:25\", {address: \"*:26\", role: x}]").values.listeners ==
        settings{}.listeners);
  CHECK(load("replies: {ok: Fine, bye: []}").values.replies.empty());
  CHECK(load("policy: {rules: [{action: accept}, {action: accept, actoin: x}]}")
            .values.policy.rules.empty());
}

TEST_CASE("wrong items are named with their place and the nearest key") {
  struct row {
    std::string yaml, mistake;
  };
  const auto r = GENERATE(values<row>({
      {"listeners: [{address: \"*:25\", rolle: relay}]",
       "t.yaml:1:31: unknown key \"rolle\" in listeners: did you mean \"role\"?"},
      {"listeners: [{address: \"*:25\", role: realy}]",
       "t.yaml:1:37: listeners.role \"realy\" is none of relay, submission: did you mean "
       "\"relay\"?"},
      {"listeners: [{address: \"*:25\", role: [relay]}]",
       "t.yaml:1:37: listeners.role must be a single value (word), not a list"},
      {"listeners: [{address: \"*:25\", role}]",
       "t.yaml:1:31: listeners.role has no value: write one, or comment the line out"},
      {"listeners: [{role: relay}]", "t.yaml:1:13: listeners item has no \"address\""},
      {"listeners: [~]",
       "t.yaml:1:13: listeners must hold items that are maps of keys, not nothing"},
      {"listeners: {address: \"*:25\"}",
       "t.yaml:1:12: listeners must be a list of listeners, not a map of keys"},
      {"listeners: [{address: \"*:25\", tls_minimum: 1.4}]",
       "t.yaml:1:44: listeners.tls_minimum \"1.4\" is none of auto, 1.0, 1.1, 1.2, 1.3: did you "
       "mean \"1.0\"?"},
      {"listeners: [{address: \"*:25\", require_auth: maybe}]",
       "t.yaml:1:45: listeners.require_auth \"maybe\" is none of auto, yes, no"},
      {"listeners: [{address: \"*:25\", extensions_off: [PIPELINNING]}]",
       "t.yaml:1:48: listeners.extensions_off \"PIPELINNING\" is no EHLO keyword that relais "
       "knows: "
       "did you "
       "mean \"PIPELINING\"?"},
      {"listeners: [{address: \"*:25\", message_size: 1 KiB}]",
       "t.yaml:1:45: listeners.message_size \"1 KiB\" is too small: at least 64 KiB, as RFC 5321 "
       "4.5.3.1.7 "
       "requires"},
      {"listeners: [{address: \"*:25\", recipients: 99}]",
       "t.yaml:1:43: listeners.recipients \"99\" is too small: at least 100, as RFC 5321 4.5.3.1.8 "
       "requires"},
      {"listeners: [{address: \"*:25\", trusted_networks: [0.0.0.0/0]}]",
       "t.yaml:1:50: listeners.trusted_networks \"0.0.0.0/0\" is the whole internet: relais would "
       "be an open "
       "relay, which spammers find within hours; list the networks of your own hosts"},
      {"listeners: [{address: \"*:25\", trusted_networks: 10.0.0.0/8}]",
       "t.yaml:1:49: listeners.trusted_networks must be a list of networks, not a single value: "
       "write "
       "[10.0.0.0/8]"},
      {"listeners: [{address: /run/s, mode: 0668}]",
       "t.yaml:1:37: listeners.mode \"0668\" is not a mode: write octal digits, as in 0660"},
      {"listeners: [{address: /run/s, mode: 4777}]",
       "t.yaml:1:37: listeners.mode \"4777\" is too large: at most 0777"},
      {"listeners: [/run/s/]",
       "t.yaml:1:13: listeners \"/run/s/\" is no path of a socket: it has 107 characters at most, "
       "and no slash "
       "at its end"},
      {"listeners: [\"*:0\"]", "t.yaml:1:13: listeners \"*:0\" has no valid port: 1 to 65535"},
      {"listeners: [\"systemd:a\\nb\"]",
       "t.yaml:1:13: listeners \"systemd:a\\x0ab\" holds control characters or is no UTF-8"},
      {"tls: {certificates: [{key: /a.key}]}",
       "t.yaml:1:22: tls.certificates item has no \"certificate\""},
      {"tls: {certificates: [\"\"]}", "t.yaml:1:22: tls.certificates \"\" is empty"},
      {"tls: {certificates: [[/a.pem]]}",
       "t.yaml:1:22: tls.certificates must hold items that are maps of keys, not a list"},
      {"tls: {certificates: /a.pem}",
       "t.yaml:1:21: tls.certificates must be a list of certificates, not a single value: write "
       "[/a.pem]"},
      {"tls: {minimum_version: auto}",
       "t.yaml:1:24: tls.minimum_version \"auto\" is for listeners only: write a version, as 1.2"},
      {"tls: {minimum_version: ssl3}",
       "t.yaml:1:24: tls.minimum_version \"ssl3\" is none of 1.0, 1.1, 1.2, 1.3"},
      {"tls: {ticket_rotation: 1s}",
       "t.yaml:1:24: tls.ticket_rotation \"1s\" is too small: at least 1m"},
      {"policy: {rules: [{clients: [192.0.2.1]}]}",
       "t.yaml:1:18: policy.rules item has no \"action\""},
      {"policy: {rules: [{action: drop}]}",
       "t.yaml:1:27: policy.rules.action \"drop\" is none of accept, reject, defer"},
      {"policy: {rules: [reject]}",
       "t.yaml:1:18: policy.rules must hold items that are maps of keys, not a single value"},
      {"policy: {rules: [{action: reject, senders: [a@b@c..d]}]}",
       "t.yaml:1:45: policy.rules.senders \"a@b@c..d\" is no address pattern: write a@example.org, "
       "example.org, .example.org (all below that), user@ (in any domain) or <>"},
      {"policy: {rules: [{action: reject, client: [192.0.2.1]}]}",
       "t.yaml:1:35: unknown key \"client\" in policy.rules: did you mean \"clients\"?"},
      {"policy: {rules: [{action: reject, action: accept}]}",
       "t.yaml:1:35: the key \"action\" is there twice: first in line 1"},
      {"policy: {rules: [{action: reject, text: \"caf\xc3\xa9\"}]}",
       "t.yaml:1:41: policy.rules.text \"caf\xc3\xa9\" is not printable ASCII, which replies must "
       "be"},
      {"policy: {rules: [{[action]: reject}]}", "t.yaml:1:19: a key must be a word, not a list"},
      {"policy: {rules: [{action: reject, client_names: [a..b]}]}",
       "t.yaml:1:50: policy.rules.client_names \"a..b\" is not a name: write mail.example.org, or "
       ".example.org for all below that"},
      {"policy: {dns_lists: [.zen.example]}",
       "t.yaml:1:22: policy.dns_lists \".zen.example\" is not a domain: write it as in "
       "zen.spamhaus.org"},
      {"policy: {dns_lists: [{zone: a.example, score: 0}]}",
       "t.yaml:1:47: policy.dns_lists.score \"0\" counts nothing: leave it out"},
      {"policy: {dns_lists: [{zone: a.example, score: -1001}]}",
       "t.yaml:1:47: policy.dns_lists.score \"-1001\" is too large: at most 1000"},
      {"policy: {dns_lists: [{zone: a.example, score: --1}]}",
       "t.yaml:1:47: policy.dns_lists.score \"--1\" is not a number: write decimal digits only"},
      {"policy: {dns_lists: [{zone: a.example, answers: [128.0.0.1]}]}",
       "t.yaml:1:50: policy.dns_lists.answers \"128.0.0.1\" is not within 127.0.0.0/8, where DNS "
       "lists answer "
       "(RFC 5782)"},
      {"policy: {rates: [{of: messages, per: client}]}",
       "t.yaml:1:18: policy.rates item has no \"limit\""},
      {"policy: {rates: [{of: messages, per: client, limit: 0}]}",
       "t.yaml:1:53: policy.rates.limit \"0\" is too small: at least 1"},
      {"policy: {rates: [{of: mails, per: client, limit: 1}]}",
       "t.yaml:1:23: policy.rates.of \"mails\" is none of connections, messages, recipients"},
      {"policy: {xclient_networks: [\"::/0\"]}",
       "t.yaml:1:29: policy.xclient_networks \"::/0\" is the whole internet: relais would be an "
       "open relay, "
       "which spammers find within hours; list the networks of your own hosts"},
      {"auth: {certificates: [{fingerprint: abc, user: x}]}",
       "t.yaml:1:37: auth.certificates.fingerprint \"abc\" is not a SHA-256 fingerprint: 64 "
       "hexadecimal digits, "
       "as openssl x509 -fingerprint -sha256 prints them"},
      {"auth: {mechanisms: [CRAM-MD5]}",
       "t.yaml:1:21: auth.mechanisms \"CRAM-MD5\" is no SASL mechanism that relais knows: "
       "SCRAM-SHA-256-PLUS, "
       "SCRAM-SHA-256, PLAIN, LOGIN, OAUTHBEARER, XOAUTH2, EXTERNAL"},
      {"auth: {dovecot_socket: run/auth}",
       "t.yaml:1:24: auth.dovecot_socket \"run/auth\" is not an absolute path: it must begin with "
       "a slash"},
      {"auth: {pam_service: ../su}",
       "t.yaml:1:21: auth.pam_service \"../su\" is not a service name: letters, digits, dots, "
       "hyphens and "
       "underscores"},
      {"auth: {tokens: {introspection_url: ldap://x}}",
       "t.yaml:1:36: auth.tokens.introspection_url \"ldap://x\" is not a URL: write "
       "https://host.example/path, "
       "without a user and without blanks"},
      {"auth: {tokens: {isuer: x}}",
       "t.yaml:1:17: unknown key \"isuer\" in auth.tokens: did you mean \"issuer\"?"},
      {"auth: {issuer: x}",
       "t.yaml:1:8: unknown key \"issuer\" in auth: \"issuer\" belongs under \"auth.tokens:\""},
      {"auth: {token: {}}", "t.yaml:1:8: unknown key \"token\" in auth: did you mean \"tokens\"?"},
      {"auth: {tokens: 1}", "t.yaml:1:16: auth.tokens must be a map of keys, not a single value"},
      {"tokens: {issuer: x}",
       "t.yaml:1:1: unknown key \"tokens\": \"tokens\" belongs under \"auth:\""},
      {"replies: {Relay-Denied: x}",
       "t.yaml:1:11: replies \"Relay-Denied\" is not the name of a reply: docs/replies.md lists "
       "them"},
      {"replies: {ok: [x]}", "t.yaml:1:15: replies.ok must be a single value (text), not a list"},
      {"replies: {ok: \"\"}", "t.yaml:1:15: replies.ok \"\" is empty"},
      {"replies: {ok}", "t.yaml:1:11: replies.ok has no value: write one, or comment the line out"},
      {"replies: {ok: a, ok: b}", "t.yaml:1:18: replies has the key \"ok\" twice: first in line 1"},
      {"replies: {[ok]: a}",
       "t.yaml:1:11: replies must be a single value (name of docs/replies.md), not a list"},
      {"replies: [{reply: ok, text: a}, {reply: ok, text: b}]",
       "t.yaml:1:33: replies has two texts for ok"},
      {"replies: [ok]",
       "t.yaml:1:11: replies must hold items that are maps of keys, not a single value"},
      {"replies: text", "t.yaml:1:10: replies must be a map of reply texts, not a single value"},
  }));
  INFO(r.yaml);
  const auto found = mistakes(r.yaml);
  REQUIRE(found.size() == 1);
  CHECK(found[0] == r.mistake);
}

TEST_CASE("the text of a reply is short enough for one line") {
  CHECK(mistakes("replies: {ok: \"" + std::string(400, 'x') + "\"}").empty());
  CHECK(mistakes("replies: {ok: \"" + std::string(401, 'x') + "\"}").size() == 1);
}

TEST_CASE("all mistakes of all items are found in one run") {
  const auto found = mistakes(
      "listeners:\n"
      "  - {role: relay}\n"
      "  - {address: \"*:25\", tls: x}\n"
      "  - localhost:25\n"
      "policy:\n"
      "  rules:\n"
      "    - {action: x}\n"
      "    - {}\n");
  REQUIRE(found.size() == 5);
  CHECK_THAT(found[0], Catch::StartsWith("t.yaml:2:5: listeners item has no"));
  CHECK_THAT(found[1], Catch::StartsWith("t.yaml:3:28: listeners.tls"));
  CHECK_THAT(found[2], Catch::StartsWith("t.yaml:4:5: listeners \"localhost:25\""));
  CHECK_THAT(found[3], Catch::StartsWith("t.yaml:7:16: policy.rules.action"));
  CHECK_THAT(found[4], Catch::StartsWith("t.yaml:8:7: policy.rules item has no \"action\""));
}
