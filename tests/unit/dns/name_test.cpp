// Host names and what is asked for an internationalised one.
#include "dns/name.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"

using namespace relais;
using namespace relais::dns;

TEST_CASE("a domain is asked for in lower case, by A-labels, without its trailing dot", "[dns]") {
  struct row {
    std::string name, domain, asked;  // asked "": refused
  };
  const auto r = GENERATE(values<row>({
      {"plain", "example.org", "example.org"},
      {"case", "EXAMPLE.Org", "example.org"},
      {"a trailing dot", "example.org.", "example.org"},
      {"underscore and digits", "_mta-sts.1.example", "_mta-sts.1.example"},
      {"a U-label",
       "b\xc3\xbc"
       "cher.example",
       "xn--bcher-kva.example"},
      {"an upper-case U-label",
       "B\xc3\x9c"
       "CHER.example",
       "xn--bcher-kva.example"},
      {"sharp s is kept (IDNA 2008)",
       "stra\xc3\x9f"
       "e.example",
       "xn--strae-oqa.example"},
      {"a U-label and a trailing dot",
       "b\xc3\xbc"
       "cher.example.",
       "xn--bcher-kva.example"},
      {"empty", "", ""},
      {"the root", ".", ""},
      {"two trailing dots", "example.org..", ""},
      {"an empty label", "a..b", ""},
      {"a leading dot", ".a", ""},
      {"a space", "a b", ""},
      {"a control", "a\r\nb", ""},
      {"NUL", std::string("a\0b", 3), ""},
      {"NUL beside a U-label", std::string("\xc3\xbc\0b", 4), ""},
      {"an address literal", "[192.0.2.1]", ""},
      {"a label of 64 octets", std::string(64, 'a'), ""},
      {"invalid UTF-8", "a\xff.example", ""},
      {"a code point that IDNA forbids",
       "\xe2\x80\xae"
       "a.example",
       ""},
      {"very long", std::string(5000, '\xc3'), ""},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto asked = query_name(r.domain);
    if (r.asked.empty()) {
      REQUIRE(asked.has_error());
      CHECK(asked.error() == errc::syntax);
    } else {
      REQUIRE(asked.has_value());
      CHECK(*asked == r.asked);
    }
  }
}

TEST_CASE("a host name has 253 octets at most", "[dns]") {
  std::string name;
  for (int i = 0; i < 126; ++i) name += "a.";
  CHECK(is_host_name(name + "a"));
  CHECK_FALSE(is_host_name(name + "aa"));
}
