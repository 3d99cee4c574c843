// Settings that are refused although each value alone is fine, and open relays.
#include <catch2/catch.hpp>
#include <string>

#include "settings_for_test.hpp"

using namespace relais::config;

TEST_CASE("an open relay is refused with the reason") {
  struct row {
    const char* network;
    const char* reason;  ///< nullptr = accepted
  };
  const auto r = GENERATE(values<row>({{"0.0.0.0/0", "open relay"},
                                       {"::/0", "open relay"},
                                       {"0.0.0.0/1", "for strangers"},
                                       {"128.0.0.0/1", "for strangers"},
                                       {"10.0.0.0/7", "for strangers"},
                                       {"2000::/3", "for strangers"},
                                       {"2001::/15", "has host bits set"},
                                       {"2000::/15", "for strangers"},
                                       {"10.0.0.0/8", nullptr},
                                       {"127.0.0.0/8", nullptr},
                                       {"172.16.0.0/12", nullptr},
                                       {"2001::/16", nullptr},
                                       {"fe80::/10", "for strangers"},
                                       {"::ffff:0:0/96", "is not a network"},
                                       {"::ffff:10.0.0.0/8", nullptr},
                                       {"0.0.0.0", nullptr}}));
  INFO(r.network);
  const auto found = mistakes("relay: {trusted_networks: [\"" + std::string(r.network) + "\"]}");
  if (r.reason == nullptr) {
    CHECK(found.empty());
  } else {
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0], Catch::StartsWith("t.yaml:1:28: relay.trusted_networks \"" +
                                           std::string(r.network) + "\""));
    CHECK_THAT(found[0], Catch::Contains(r.reason));
  }
}

TEST_CASE("an open relay is refused also when the network comes from the environment") {
  CHECK(mistakes("relay: {trusted_networks: [\"${N}\"]}", variables({{"N", "0.0.0.0/0"}})).size() ==
        1);
}

TEST_CASE("settings that contradict each other are mistakes at the place of the culprit") {
  struct row {
    const char *yaml, *mistake;
  };
  const auto r = GENERATE(values<row>({
      {"smarthost: {host: h.example, username: u}",
       "t.yaml:1:40: smarthost.username is set, but neither smarthost.password nor "
       "smarthost.password_file"},
      {"smarthost: {host: h.example, password: p}",
       "t.yaml:1:40: the smarthost's password is set, but not smarthost.username"},
      {"smarthost: {username: u, password: p}",
       "t.yaml:1:23: the smarthost's credentials are set, but not smarthost.host"},
      {"smarthost: {host: h.example, username: u, password: p}\ndelivery:\n  tls: none",
       "t.yaml:3:8: credentials are never sent without TLS: with smarthost.username, delivery.tls "
       "must "
       "be encrypt or verify"},
      {"smarthost: {host: h.example, username: u, password: p, password_file: /nowhere}",
       "t.yaml:1:71: smarthost.password and smarthost.password_file are both set: keep one"},
      {"delivery: {ipv4: no, ipv6: no}",
       "t.yaml:1:28: delivery.ipv4 and delivery.ipv6 are both false: no mail could leave"},
      {"listeners: [\"127.0.0.1:25\", \"[::1]:25\", {address: \"127.0.0.1:25\"}]",
       "t.yaml:1:41: two listeners have the address 127.0.0.1:25"},
      {"listeners: [\"127.0.0.1:25\", \"[::ffff:127.0.0.1]:25\"]",
       "t.yaml:1:29: two listeners have the address 127.0.0.1:25"},
      {"spool: {inline_max: 17 MiB}",
       "t.yaml:1:21: spool.inline_max (17 MiB) is larger than a quarter of spool.segment_size (64 "
       "MiB)"},
      {"spool: {segment_size: 4 MiB, inline_max: 1025 KiB}",
       "t.yaml:1:42: spool.inline_max (1025 KiB) is larger than a quarter of spool.segment_size (4 "
       "MiB)"},
  }));
  INFO(r.yaml);
  CHECK(mistakes(r.yaml) == std::vector<std::string>{r.mistake});
}

TEST_CASE("values that go together are accepted") {
  const auto* yaml =
      GENERATE("smarthost: {host: h.example, username: u, password: p}\ndelivery: {tls: encrypt}",
               "smarthost: {host: h.example, username: u, password: p}",
               "smarthost: {host: h.example}\ndelivery: {tls: none}", "delivery: {ipv6: false}",
               "listeners: [\"127.0.0.1:25\", \"127.0.0.1:587\", \"[::1]:25\"]",
               "limits: {message_size: 1 GiB, memory: 1 MiB}", "spool: {segment_size: 4 MiB}",
               "spool: {minimum_free: 0, minimum_free_inodes: 0}");
  INFO(yaml);
  CHECK(mistakes(yaml).empty());
}

TEST_CASE("a value that is refused itself causes no second complaint") {
  const auto found = mistakes("smarthost: {host: h.example, username: u, password: \"${UNSET}\"}");
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Catch::Contains("UNSET is not set"));
}
