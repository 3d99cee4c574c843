#include "base/ip.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace relais;

TEST_CASE("addresses are read and written in their canonical form") {
  struct row {
    const char *text, *canonical;
    bool is_v6;
  };
  const auto r = GENERATE(values<row>({{"0.0.0.0", "0.0.0.0", false},
                                       {"192.0.2.1", "192.0.2.1", false},
                                       {"255.255.255.255", "255.255.255.255", false},
                                       {"::", "::", true},
                                       {"::1", "::1", true},
                                       {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", true},
                                       {"::ffff:192.0.2.1", "192.0.2.1", false},
                                       {"::ffff:c000:201", "192.0.2.1", false},
                                       {"64:ff9b::192.0.2.1", "64:ff9b::c000:201", true},
                                       {"1111:2222:3333:4444:5555:6666:255.255.255.255",
                                        "1111:2222:3333:4444:5555:6666:ffff:ffff", true}}));
  INFO(r.text);
  const auto address = ip_address::parse(r.text);
  REQUIRE(address);
  CHECK(address->text() == r.canonical);
  CHECK(address->is_v6() == r.is_v6);
  CHECK(ip_address::parse(address->text()) == address);
}

TEST_CASE("what is no address is refused") {
  const auto* text =
      GENERATE("", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4",
               "[::1]", ":::", "::1::", "fe80::1%eth0", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
               "localhost", "0x7f.1", "1111:2222:3333:4444:5555:6666:255.255.255.2555");
  INFO(text);
  CHECK_FALSE(ip_address::parse(text));
  CHECK_FALSE(ip_address::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("special addresses are known, public ones are not among them") {
  for (const auto* text :
       {"127.0.0.1",      "127.255.0.1",    "0.0.0.0",         "0.1.2.3",     "10.1.2.3",
        "172.16.0.1",     "172.31.255.255", "192.168.0.1",     "169.254.1.1", "100.64.0.1",
        "100.127.0.1",    "224.0.0.1",      "255.255.255.255", "::",          "::1",
        "fe80::1",        "fc00::1",        "fd12::1",         "ff02::1",     "::ffff:127.0.0.1",
        "::ffff:10.0.0.1"}) {
    INFO(text);
    CHECK(ip_address::parse(text)->is_special());
  }
  for (const auto* text :
       {"8.8.8.8", "11.0.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "100.63.0.1",
        "100.128.0.1", "126.0.0.1", "128.0.0.1", "223.255.255.255", "2001:db8::1", "fb00::1"}) {
    INFO(text);
    CHECK_FALSE(ip_address::parse(text)->is_special());
  }
  CHECK(ip_address::parse("::1")->is_loopback());
  CHECK_FALSE(ip_address::parse("::2")->is_loopback());
  CHECK_FALSE(ip_address::parse("1::1")->is_loopback());
  CHECK(ip_address::parse("::")->is_unspecified());
}

TEST_CASE("an address is in any of some networks") {
  const std::vector<ip_network> networks{*ip_network::parse("10.0.0.0/8"),
                                         *ip_network::parse("2001:db8::/32")};
  CHECK(is_in_any(*ip_address::parse("10.1.1.1"), networks));
  CHECK(is_in_any(*ip_address::parse("2001:db8::1"), networks));
  CHECK_FALSE(is_in_any(*ip_address::parse("192.0.2.1"), networks));
  CHECK_FALSE(is_in_any(*ip_address::parse("10.1.1.1"), {}));
}

TEST_CASE("a network contains its addresses, to the bit") {
  struct row {
    const char *network, *inside, *outside;
  };
  const auto r =
      GENERATE(values<row>({{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
                            {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
                            {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
                            {"0.0.0.0/0", "255.255.255.255", "::1"},
                            {"::/0", "2001:db8::1", "192.0.2.1"},
                            {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
                            {"2001:db8:8000::/33", "2001:db8:8000::1", "2001:db8:7fff::1"},
                            {"::1/128", "::1", "::2"},
                            {"127.0.0.0/8", "::ffff:127.0.0.1", "128.0.0.1"}}));
  INFO(r.network);
  const auto network = ip_network::parse(r.network);
  REQUIRE(network);
  CHECK(network->contains(*ip_address::parse(r.inside)));
  CHECK_FALSE(network->contains(*ip_address::parse(r.outside)));
  CHECK(ip_network::parse(network->text()) == network);
}

TEST_CASE("addresses in the reverse order that zones by address have") {
  CHECK(ip_address::parse("192.0.2.1")->reversed() == "1.2.0.192");
  CHECK(ip_address::parse("::ffff:10.0.0.255")->reversed() == "255.0.0.10");
  CHECK(ip_address::parse("2001:db8::567:89ab")->reversed() ==
        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
}

TEST_CASE("what is no network is refused") {
  const auto* text = GENERATE("", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
                              "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.1/8", "192.0.2.1/31", "::/129",
                              "::1/127", "2001:db8::1/64", "example.org/24");
  INFO(text);
  CHECK_FALSE(ip_network::parse(text));
}

TEST_CASE("endpoints are read and written") {
  struct row {
    const char *text, *canonical;
  };
  const auto r = GENERATE(values<row>({{"127.0.0.1:25", "127.0.0.1:25"},
                                       {"[::]:587", "[::]:587"},
                                       {"[2001:DB8::1]:65535", "[2001:db8::1]:65535"},
                                       {"0.0.0.0:0", "0.0.0.0:0"},
                                       {"[::ffff:127.0.0.1]:25", "127.0.0.1:25"}}));
  INFO(r.text);
  REQUIRE(endpoint::parse(r.text));
  CHECK(endpoint::parse(r.text)->text() == r.canonical);
}

TEST_CASE("what is no endpoint is refused") {
  const auto* text = GENERATE("", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                              "127.0.0.1:-1", "127.0.0.1:x", "::1:25", "[::1]", "[::1]25",
                              "[::1:25", "::1]:25", "localhost:25", "[]:25");
  INFO(text);
  CHECK_FALSE(endpoint::parse(text));
}
