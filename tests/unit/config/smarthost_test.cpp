#include "config/smarthost.hpp"

#include <catch2/catch.hpp>

#include "config/host_name.hpp"

using namespace relais::config;

TEST_CASE("a next hop is a host, a port and whether MX records are asked") {
  struct row {
    const char* text;
    smarthost_target target;
  };
  const auto r = GENERATE(values<row>({{"relay.example", {"relay.example", 25, true}},
                                       {"Relay.Example", {"relay.example", 25, true}},
                                       {"relay.example:587", {"relay.example", 587, true}},
                                       {"[relay.example]", {"relay.example", 25, false}},
                                       {"[relay.example]:587", {"relay.example", 587, false}},
                                       {"[192.0.2.1]:25", {"192.0.2.1", 25, false}},
                                       {"[192.0.2.1]", {"192.0.2.1", 25, false}},
                                       {"192.0.2.1:2525", {"192.0.2.1", 2525, false}},
                                       {"[2001:DB8::1]:25", {"2001:db8::1", 25, false}},
                                       {"[2001:db8::1]", {"2001:db8::1", 25, false}},
                                       {"[::1]:65535", {"::1", 65535, false}},
                                       {"localhost:1", {"localhost", 1, true}}}));
  INFO(r.text);
  CHECK(parse_smarthost(r.text, 25) == r.target);
}

TEST_CASE("the default port of a next hop is handed in") {
  CHECK(parse_smarthost("relay.example", 587)->port == 587);
  CHECK(parse_smarthost("[relay.example]", 587)->port == 587);
  CHECK(parse_smarthost("relay.example:25", 587)->port == 25);
}

TEST_CASE("what is no next hop is refused") {
  const auto* text =
      GENERATE("", ":25", "[]", "[]:25", "[", "]", "[relay.example", "relay.example]",
               "relay.example:", "relay.example:0", "relay.example:65536", "relay.example:x",
               "relay.example:25x", "[relay.example]25", "[relay.example]:", "[[relay.example]]",
               "2001:db8::1", "2001:db8::1:25", "smtp://relay.example", "relay example",
               "-relay.example", "relay..example", "relay.example.", "192.0.2.256", "192.0.2",
               "[192.0.2.1]:25:25", "relay.example:+25", "rel\xc3\xa4.example", "relay.example\n");
  INFO(text);
  CHECK_FALSE(parse_smarthost(text, 25));
}

TEST_CASE("host names follow RFC 1123") {
  CHECK(is_host_name("a"));
  CHECK(is_host_name("3com.example"));
  CHECK(is_host_name("a-b.xn--rel-qla.example"));
  CHECK(is_host_name(std::string(63, 'a') + ".example"));
  CHECK_FALSE(is_host_name(std::string(64, 'a') + ".example"));
  std::string longest = "a";
  while (longest.size() < 253) longest += ".a";
  CHECK(longest.size() == 253);
  CHECK(is_host_name(longest));
  CHECK_FALSE(is_host_name(longest + 'a'));
  for (const auto* bad :
       {"", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a_b", "a b", "1.2.3.4", "7"}) {
    INFO(bad);
    CHECK_FALSE(is_host_name(bad));
  }
}
