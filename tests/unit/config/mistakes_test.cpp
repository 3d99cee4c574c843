// What the loader says about wrong files: one row per mistake, the whole line as an operator sees
// it.
#include <catch2/catch.hpp>
#include <string>

#include "settings_for_test.hpp"

using namespace relais::config;

namespace {

struct row {
  const char* yaml;
  const char* mistake;
};

/// Exactly one mistake, and exactly this one.
void check(const row& r) {
  INFO(r.yaml);
  const auto found = mistakes(r.yaml);
  REQUIRE(found.size() == 1);
  CHECK(found[0] == r.mistake);
}

}  // namespace

TEST_CASE("unknown keys are named with the nearest valid one") {
  check(GENERATE(values<row>({
      {"hostnam: a.example", "t.yaml:1:1: unknown key \"hostnam\": did you mean \"hostname\"?"},
      {"HostName: a.example", "t.yaml:1:1: unknown key \"HostName\": did you mean \"hostname\"?"},
      {"limit:\n  hops: 20", "t.yaml:1:1: unknown key \"limit\": did you mean \"limits\"?"},
      {"limits:\n  recipient: 100",
       "t.yaml:2:3: unknown key \"recipient\" in limits: did you mean \"recipients\"?"},
      {"limits: {mesage_szie: 1 MiB}",
       "t.yaml:1:10: unknown key \"mesage_szie\" in limits: did you mean \"message_size\"?"},
      {"message_size: 1 MiB",
       "t.yaml:1:1: unknown key \"message_size\": \"message_size\" belongs under \"limits:\""},
      {"limits.message_size: 1 MiB",
       "t.yaml:1:1: unknown key \"limits.message_size\": \"message_size\" belongs under "
       "\"limits:\""},
      {"limits:\n  hostname: x",
       "t.yaml:2:3: unknown key \"hostname\" in limits: it belongs to the "
       "top level"},
      {"log:\n  xyz: 1", "t.yaml:2:3: unknown key \"xyz\" in log; valid here: level, timestamps"},
      {"listeners:\n  - adress: 127.0.0.1:25",
       "t.yaml:2:5: unknown key \"adress\" in listeners: did you mean \"address\"?"},
      {"log:\n  \"a\\nb\": 1",
       "t.yaml:2:3: unknown key \"a\\x0ab\" in log; valid here: level, timestamps"},
      {"[a]: 1", "t.yaml:1:1: a key must be a word, not a list"},
  })));
}

TEST_CASE("a key that is there twice is a mistake at every level") {
  check(GENERATE(values<row>({
      {"hostname: a.example\nworkers: 1\nhostname: b.example",
       "t.yaml:3:1: the key \"hostname\" is there twice: first in line 1"},
      {"log:\n  level: info\nlog:\n  level: debug",
       "t.yaml:3:1: the key \"log\" is there twice: first in line 1"},
      {"log:\n  level: info\n  level: debug",
       "t.yaml:3:3: the key \"level\" is there twice: first in line 2"},
      {"listeners:\n  - address: 127.0.0.1:25\n    address: 127.0.0.1:26",
       "t.yaml:3:5: the key \"address\" is there twice: first in line 2"},
  })));
}

TEST_CASE("values of the wrong kind are mistakes") {
  check(GENERATE(values<row>({
      {"hostname: [a.example]",
       "t.yaml:1:11: hostname must be a single value (host name), not a list"},
      {"limits:\n  hops: {a: 1}",
       "t.yaml:2:9: limits.hops must be a single value (number), not a "
       "map of keys"},
      {"limits: 5", "t.yaml:1:9: limits must be a map of keys, not a single value"},
      {"limits: [hops]", "t.yaml:1:9: limits must be a map of keys, not a list"},
      {"relay:\n  trusted_networks: 127.0.0.0/8",
       "t.yaml:2:21: relay.trusted_networks must be a list of networks, not a single value: write "
       "[127.0.0.0/8]"},
      {"relay:\n  domains: {a.example: 1}",
       "t.yaml:2:12: relay.domains must be a list of domains, not a map of keys"},
      {"relay:\n  domains:",
       "t.yaml:2:3: relay.domains must be a list of domains: write [] for none"},
      {"relay:\n  domains: [[a.example]]",
       "t.yaml:2:13: relay.domains must be a single value (domain), not a list"},
      {"hostname:", "t.yaml:1:1: hostname has no value: write one, or comment the line out"},
      {"hostname: ~", "t.yaml:1:1: hostname has no value: write one, or comment the line out"},
      {"listeners:\n  - [127.0.0.1:25]",
       "t.yaml:2:5: listeners must hold items that are maps of keys, not a list"},
      {"listeners:\n  - {}", "t.yaml:2:5: listeners item has no \"address\""},
      {"- hostname",
       "t.yaml:1:1: the file must hold keys with values, as in \"hostname: "
       "mail.example.org\""},
      {"hostname",
       "t.yaml:1:1: the file must hold keys with values, as in \"hostname: "
       "mail.example.org\""},
  })));
}

TEST_CASE("durations need a unit that exists") {
  check(GENERATE(values<row>({
      {"dns:\n  timeout: 5",
       "t.yaml:2:12: dns.timeout \"5\" has no unit: write s, m, h or d behind "
       "the number, as in 30s"},
      {"dns:\n  timeout: 10 apples",
       "t.yaml:2:12: dns.timeout \"10 apples\" is not a duration: unknown "
       "unit \"apples\", write ms, s, m, h, d or w"},
      {"dns: {timeout: 5min}",
       "t.yaml:1:16: dns.timeout \"5min\" is not a duration: unknown unit "
       "\"min\", write ms, s, m, h, d or w"},
      {"dns: {timeout: 5 s}",
       "t.yaml:1:16: dns.timeout \"5 s\" is not a duration: write whole numbers "
       "with units and no spaces, as in 30s or 1h30m"},
      {"dns: {timeout: 1.5s}",
       "t.yaml:1:16: dns.timeout \"1.5s\" is not a duration: write whole "
       "numbers with units and no spaces, as in 30s or 1h30m"},
      {"dns: {timeout: -5s}",
       "t.yaml:1:16: dns.timeout \"-5s\" is not a duration: write whole numbers "
       "with units and no spaces, as in 30s or 1h30m"},
      {"dns: {timeout: \"\"}",
       "t.yaml:1:16: dns.timeout \"\" is not a duration: write whole numbers "
       "with units and no spaces, as in 30s or 1h30m"},
      {"dns: {timeout: 99999999999999999d}",
       "t.yaml:1:16: dns.timeout \"99999999999999999d\" is too large"},
      {"dns: {timeout: 1h}", "t.yaml:1:16: dns.timeout \"1h\" is too large: at most 5m"},
      {"retry:\n  intervals: [1m, 5, 10m]",
       "t.yaml:2:19: retry.intervals \"5\" has no unit: write s, m, "
       "h or d behind the number, as in 30s"},
      {"retry: {intervals: [0]}", "t.yaml:1:21: retry.intervals \"0\" is too small: at least 1s"},
      {"retry: {intervals: []}", "t.yaml:1:20: retry.intervals is empty: it needs at least one"},
      {"retry: {queue_lifetime: 0}",
       "t.yaml:1:25: retry.queue_lifetime \"0\" is too small: at least 1s"},
  })));
}

TEST_CASE("sizes and numbers are whole, in range and without a foreign unit") {
  check(GENERATE(values<row>({
      {"limits:\n  message_size: 10 apples",
       "t.yaml:2:17: limits.message_size \"10 apples\" is not a size: unknown unit \"apples\", "
       "write B, "
       "KiB, MiB, GiB or TiB"},
      {"limits: {message_size: 1.5 MiB}",
       "t.yaml:1:24: limits.message_size \"1.5 MiB\" is not a size: "
       "write a whole number and a unit, as in 50 MiB"},
      {"limits: {message_size: 99999999999 GiB}",
       "t.yaml:1:24: limits.message_size \"99999999999 GiB\" is too large"},
      {"limits: {message_size: 1 KiB}",
       "t.yaml:1:24: limits.message_size \"1 KiB\" is too small: at least 64 KiB, as RFC 5321 "
       "4.5.3.1.7 requires"},
      {"limits: {recipients: 99}",
       "t.yaml:1:22: limits.recipients \"99\" is too small: at least 100, as "
       "RFC 5321 4.5.3.1.8 requires"},
      {"limits: {command_line: 511}",
       "t.yaml:1:24: limits.command_line \"511\" is too small: at least "
       "512 B, as RFC 5321 4.5.3.1.4 requires"},
      {"limits: {text_line: 999}",
       "t.yaml:1:21: limits.text_line \"999\" is too small: at least 1000 B, "
       "as RFC 5321 4.5.3.1.6 requires"},
      {"limits: {errors: 20s}",
       "t.yaml:1:18: limits.errors \"20s\" is not a number: it takes no unit"},
      {"limits: {errors: 20.5}",
       "t.yaml:1:18: limits.errors \"20.5\" is not a number: write decimal digits only"},
      {"limits: {errors: -1}",
       "t.yaml:1:18: limits.errors \"-1\" is not a number: write decimal digits only"},
      {"limits: {errors: 0x10}",
       "t.yaml:1:18: limits.errors \"0x10\" is not a number: write decimal digits only"},
      {"limits: {errors: 18446744073709551616}",
       "t.yaml:1:18: limits.errors \"18446744073709551616\" is too large"},
      {"limits: {errors: 0}", "t.yaml:1:18: limits.errors \"0\" is too small: at least 1"},
      {"delivery: {port: 65536}",
       "t.yaml:1:18: delivery.port \"65536\" is too large: at most 65535"},
      {"retry: {jitter: 91}", "t.yaml:1:17: retry.jitter \"91\" is too large: at most 90"},
      {"workers: many", "t.yaml:1:10: workers \"many\" is not a number: write decimal digits only"},
  })));
}

TEST_CASE("words that are no valid choice come with the valid ones") {
  check(GENERATE(values<row>({
      {"delivery: {tls: encypt}",
       "t.yaml:1:17: delivery.tls \"encypt\" is none of none, may, encrypt, "
       "verify: did you mean \"encrypt\"?"},
      {"delivery: {tls: dane}",
       "t.yaml:1:17: delivery.tls \"dane\" is none of none, may, encrypt, verify"},
      {"log: {level: warn}",
       "t.yaml:1:14: log.level \"warn\" is none of debug, info, warning, error: did "
       "you mean \"warning\"?"},
      {"delivery: {ipv4: maybe}", "t.yaml:1:18: delivery.ipv4 \"maybe\" is neither true nor false"},
  })));
}

TEST_CASE("names, networks and addresses are checked") {
  check(GENERATE(values<row>({
      {"hostname: mail_1.example",
       "t.yaml:1:11: hostname \"mail_1.example\" is not a host name: letters, "
       "digits, hyphens and dots, as in mail.example.org"},
      {"user: \"a b\"",
       "t.yaml:1:7: user \"a b\" is not a user name: letters, digits, dots, hyphens "
       "and underscores"},
      {"relay: {domains: [a..b]}",
       "t.yaml:1:19: relay.domains \"a..b\" is not a domain: write "
       "example.org, or .example.org for its subdomains, too"},
      {"relay: {domains: [\"\"]}", "t.yaml:1:19: relay.domains \"\" is empty"},
      {"smarthost: {host: \"relay.example:\"}",
       "t.yaml:1:19: smarthost.host \"relay.example:\" is not a next hop: write relay.example:587 "
       "(found "
       "by its MX records), [relay.example]:587 (that very host), [192.0.2.1]:25 or "
       "[2001:db8::1]:25"},
      {"relay: {trusted_networks: [10.0.0.1/8]}",
       "t.yaml:1:28: relay.trusted_networks \"10.0.0.1/8\" has host bits set: the network is "
       "probably "
       "10.0.0.0/8, the single host is 10.0.0.1"},
      {"relay: {trusted_networks: [\"2001:db8:1::1/32\"]}",
       "t.yaml:1:28: relay.trusted_networks \"2001:db8:1::1/32\" has host bits set: the network is "
       "probably 2001:db8::/32, the single host is 2001:db8:1::1"},
      {"relay: {trusted_networks: [10.0.0.0/33]}",
       "t.yaml:1:28: relay.trusted_networks \"10.0.0.0/33\" is not a network: write 192.0.2.0/24, "
       "2001:db8::/32 or a single address"},
      {"relay: {trusted_networks: [localhost]}",
       "t.yaml:1:28: relay.trusted_networks \"localhost\" is not a network: write 192.0.2.0/24, "
       "2001:db8::/32 or a single address"},
      {"listeners: [127.0.0.1]",
       "t.yaml:1:13: listeners \"127.0.0.1\" has no port: write 127.0.0.1:25"},
      {"listeners: [\"::1\"]", "t.yaml:1:13: listeners \"::1\" has no port: write [::1]:25"},
      {"listeners: [\"127.0.0.1:0\"]",
       "t.yaml:1:13: listeners \"127.0.0.1:0\" has no valid port: 1 to 65535"},
      {"listeners: [\"127.0.0.1:65536\"]",
       "t.yaml:1:13: listeners \"127.0.0.1:65536\" has no valid port: 1 to 65535"},
      {"listeners: [{address: \"localhost:25\"}]",
       "t.yaml:1:23: listeners.address \"localhost:25\" is not an address with a port: write "
       "192.0.2.1:25, [2001:db8::1]:25, *:25 (all addresses), /run/relais/smtp or systemd:NAME"},
      {"listeners: []", "t.yaml:1:12: listeners is empty: it needs at least one"},
      {"dns: {servers: [ns.example]}",
       "t.yaml:1:17: dns.servers \"ns.example\" is not an address: write "
       "192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53"},
      {"spool: {directory: \"\"}", "t.yaml:1:20: spool.directory \"\" is empty"},
  })));
}

TEST_CASE("faults of the YAML itself have a place") {
  struct fault {
    const char *yaml, *place, *part;
  };
  const auto r = GENERATE(values<fault>({
      {"user: a\nhostname: [a", "t.yaml:2:1: ", "not valid YAML: end of sequence flow not found"},
      {"a: b: c", "t.yaml:1:5: ", "not valid YAML: illegal map value"},
      {"hostname: \"a", "t.yaml:1:13: ", "not valid YAML"},
      {"log:\n\tlevel: info", "t.yaml:2:7: ", "not valid YAML"},
      {"hostname: &x a.example\nuser: *x", "t.yaml:2:7: ", "aliases (*name) are not supported"},
      {"hostname: *nobody", "t.yaml:1:11: ", "not valid YAML"},
      {"hostname: !!str a.example", "t.yaml:1:11: ", "tags (!name) are not supported"},
      {"hostname: a.example\n---\nuser: b", "t.yaml:3:1: ", "a second YAML document"},
  }));
  INFO(r.yaml);
  const auto found = mistakes(r.yaml);
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Catch::StartsWith(r.place));
  CHECK_THAT(found[0], Catch::Contains(r.part));
}

TEST_CASE("hostile nesting is refused and does not crash") {
  for (const std::string piece : {"[", "{a: ", "- ", "? ", "a:\n ", "- [", "{", "[{"}) {
    std::string deep;
    while (deep.size() < 200'000) deep += piece;
    INFO(piece);
    CHECK(mistakes(deep).size() == 1);
  }
}

TEST_CASE("all mistakes of a file are found in one run") {
  const auto found = mistakes(
      "hostname: _\n"
      "limits:\n"
      "  hops: 0\n"
      "  colour: red\n"
      "relay:\n"
      "  trusted_networks: [10.0.0.1/8, 192.0.2.1/24]\n"
      "delivery: {ipv4: false, ipv6: false}\n");
  REQUIRE(found.size() == 6);
  CHECK_THAT(found[0], Catch::StartsWith("t.yaml:1:11: hostname"));
  CHECK_THAT(found[1], Catch::StartsWith("t.yaml:3:9: limits.hops"));
  CHECK_THAT(found[2], Catch::StartsWith("t.yaml:4:3: unknown key \"colour\""));
  CHECK_THAT(found[3], Catch::StartsWith("t.yaml:6:22: "));
  CHECK_THAT(found[4], Catch::StartsWith("t.yaml:6:34: "));
  CHECK_THAT(found[5], Catch::StartsWith("t.yaml:7:31: delivery.ipv4 and delivery.ipv6"));
}

TEST_CASE("a file of mistakes only is cut after fifty") {
  std::string yaml;
  for (int i = 0; i < 5000; ++i) yaml += "key" + std::to_string(i) + ": 1\n";
  const auto found = mistakes(yaml);
  CHECK(found.size() == 51);
  CHECK(found.back() == "t.yaml: too many mistakes, the rest is not shown");
}

TEST_CASE("variables in values are expanded, and unset ones are mistakes with a place") {
  const auto env = variables({{"NET", "10.0.0.0/8"}});
  CHECK(mistakes("relay: {trusted_networks: [\"${NET}\"]}", env).empty());
  CHECK(mistakes("hostname: ${HOST}", env) ==
        std::vector<std::string>{
            "t.yaml:1:11: hostname \"${HOST}\": the environment variable HOST is "
            "not set, and there is no default: write ${HOST:-default} or set it"});
  CHECK(mistakes("hostname: ${HOST:-a.example}", env).empty());
}
