// Paths as they stand in MAIL and RCPT, and what the grammar must refuse (RFC 5321 4.1.2).
#include "smtp/path.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"

namespace relais::smtp {
namespace {

using std::string;
using namespace std::string_literals;

struct path_row {
  const char* name;
  path_kind kind;
  string input;
  string local_part, domain;
  std::size_t length;
  bool bare, route;
};

constexpr auto reverse = path_kind::reverse;
constexpr auto forward = path_kind::forward;

string octets(std::size_t count, char c = 'a') {
  return string(count, c);
}

TEST_CASE("a path is parsed once, into local-part and domain") {
  const auto row = GENERATE(values<path_row>({
      {"mailbox", reverse, "<joe@example.org>", "joe", "example.org", 17, false, false},
      {"null reverse-path", reverse, "<> SIZE=1", "", "", 2, false, false},
      {"parameters behind", reverse, "<a@b> SIZE=1", "a", "b", 5, false, false},
      {"case is kept", forward, "<Joe@EXAMPLE.org>", "Joe", "EXAMPLE.org", 17, false, false},
      {"bare", forward, "joe@b.c NOTIFY=NEVER", "joe", "b.c", 7, true, false},
      {"postmaster", forward, "<postmaster>", "postmaster", "", 12, false, false},
      {"postmaster in any case", forward, "<PostMaster>", "PostMaster", "", 12, false, false},
      {"source route", forward, "<@one,@two.x:joe@three>", "joe", "three", 23, false, true},
      {"quoted blank", forward, "<\"a b\"@c>", "\"a b\"", "c", 9, false, false},
      {"quoted at sign", forward, "<\"a@b\"@c>", "\"a@b\"", "c", 9, false, false},
      {"quoted pair", forward, "<\"a\\\"b\"@c>", "\"a\\\"b\"", "c", 10, false, false},
      {"empty quoted string", forward, "<\"\"@c>", "\"\"", "c", 6, false, false},
      {"atext", forward, "<!#$%&'*+-/=?^_`{|}~@c>", "!#$%&'*+-/=?^_`{|}~", "c", 23, false, false},
      {"IPv4 literal", forward, "<a@[192.0.2.1]>", "a", "[192.0.2.1]", 15, false, false},
      {"IPv6 literal", forward, "<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", 22, false,
       false},
      {"underscore", forward, "<a@b_c.d>", "a", "b_c.d", 9, false, false},
      {"UTF-8", forward, "<j\xc3\xb8rn@bl\xc3\xa5.dk>", "j\xc3\xb8rn", "bl\xc3\xa5.dk", 15, false,
       false},
      {"local-part of 64", forward, "<" + octets(64) + "@b>", octets(64), "b", 68, false, false},
      {"path of 256", forward,
       "<a@" + octets(63) + "." + octets(63) + "." + octets(63) + "." + octets(60) + ">", "a",
       octets(63) + "." + octets(63) + "." + octets(63) + "." + octets(60), 256, false, false},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto parsed = parse_path(row.input, row.kind);
    REQUIRE(parsed.has_value());
    CHECK(parsed->address.local_part() == row.local_part);
    CHECK(parsed->address.domain() == row.domain);
    CHECK(parsed->length == row.length);
    CHECK(parsed->bare == row.bare);
    CHECK(parsed->source_route == row.route);
    CHECK(parsed->address.is_null() == row.local_part.empty());
    const auto again = parse_address(parsed->address.text());
    REQUIRE(again.has_value());
    CHECK(*again == parsed->address);
  }
}

TEST_CASE("what two parsers might read differently is no path") {
  const auto text = GENERATE(values<string>({
      "",
      " ",
      "<",
      ">",
      "<a@b",
      "a",
      "<a>",
      "<@>",
      "<@b>",
      "<a@>",
      "a@",
      "<a@b.>",
      "<a@.b>",
      "<a@b..c>",
      "<.a@b>",
      "<a.@b>",
      "<a..b@c>",
      "<a b@c>",
      "<a@b c>",
      "< a@b>",
      "<a@b >",
      "<<a@b>>",
      "<a@b@c>",
      "<a(comment)@b>",
      "<a@b(c)>",
      "<Joe <a@b>>",
      "<a,b@c>",
      "<a;b@c>",
      "<a:b@c>",
      "<\"a@b>",
      "<\"a\"b@c>",
      "<\"a\\\"@b>",
      "<a\\@b@c>",
      "<a@-b>",
      "<a@b->",
      "<a@[1.2.3]>",
      "<a@[1.2.3.256]>",
      "<a@[::1]>",
      "<a@[IPv6:1.2.3.4]>",
      "<a@[IPv6:2001:db8::1%eth0]>",
      "<a@[tag:content]>",
      "<a@[1.2.3.4>",
      "<@one:postmaster>",
      "<@one,@two>",
      "<@one,:a@b>",
      "<@one@two:a@b>",
      "@one:a@b",
      "<postmaster@>",
      "<a\0@b>"s,
      "<a\r@b>",
      "<a\n@b>",
      "<\"a\nb\"@c>",
      "<\"a\\\nb\"@c>",
      "<\"\0\"@c>"s,
      "<a\x7f@b>",
      "<a\x1b@b>",
      "<a@b\0>"s,
      "<a@b\r>",
      "<a\xff@b>",
      "<a\xc3@b>",
      "<a\xc0\x80@b>",
      "<a\xed\xa0\x80@b>",
      "<a\xc2\x85@b>",
      "<a@b\xc2\x9b>",
      "<" + octets(65) + "@b>",
      "<a@" + octets(64) + ">",
      "<\"" + octets(63) + "\"@b>",
      "<a@" + octets(63) + "." + octets(63) + "." + octets(63) + "." + octets(61) + ">",
  }));
  CAPTURE(text);
  CHECK(parse_path(text, forward).error() == errc::syntax);
  CHECK(parse_path(text, reverse).error() == errc::syntax);
}

TEST_CASE("the grammars of reverse and forward paths differ in <> and <postmaster>") {
  CHECK(parse_path("<>", reverse).has_value());
  CHECK_FALSE(parse_path("<>", forward).has_value());
  CHECK_FALSE(parse_path("<postmaster>", reverse).has_value());
  CHECK(parse_path("postmaster", forward).has_value());
}

TEST_CASE("a parsed path can be used again for another") {
  parsed_path parsed;
  REQUIRE_FALSE(parse_path("<@one:a-long-local-part@a-long-domain.example>", forward, parsed));
  REQUIRE_FALSE(parse_path("b@c", reverse, parsed));
  CHECK(parsed.address.text() == "b@c");
  CHECK(parsed.bare);
  CHECK_FALSE(parsed.source_route);
  REQUIRE_FALSE(parse_path("<>", reverse, parsed));
  CHECK(parsed.address.is_null());
  CHECK(parsed.address.domain().empty());
}

TEST_CASE("an address of the configuration is taken whole or not at all") {
  CHECK(parse_address("")->is_null());
  CHECK(parse_address("a@b")->text() == "a@b");
  CHECK(parse_address("postmaster")->text() == "postmaster");
  for (const auto* text : {"a", "<a@b>", "a@b ", " a@b", "a@b>", "a@b,c@d", "@b"})
    CHECK_FALSE(parse_address(text).has_value());
}

TEST_CASE("addresses compare by octets before the at sign and without case behind it") {
  CHECK(*parse_address("a@EXAMPLE.org") == *parse_address("a@example.ORG"));
  CHECK_FALSE(*parse_address("A@b") == *parse_address("a@b"));
  CHECK_FALSE(*parse_address("a@b") == path());
  CHECK(path() == *parse_address(""));
}

TEST_CASE("only octets above 127 need SMTPUTF8") {
  CHECK_FALSE(parse_address("a@xn--bl-zia.dk")->needs_smtputf8());
  CHECK(parse_address("a@bl\xc3\xa5.dk")->needs_smtputf8());
  CHECK(parse_address("\"\xc3\xa5\"@b")->needs_smtputf8());
}

TEST_CASE("host names and literals") {
  for (const auto* good : {"a", "a.b", "1.2.3.4", "a-b", "_dmarc.a", "xn--x", "A.B"})
    CHECK(is_domain(good));
  for (const auto* bad :
       {"", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a/b", "[1.2.3.4]", "a\x80"})
    CHECK_FALSE(is_domain(bad));
  CHECK(is_domain(octets(63) + "." + octets(63) + "." + octets(63) + "." + octets(63)));
  CHECK_FALSE(
      is_domain(octets(63) + "." + octets(63) + "." + octets(63) + "." + octets(62) + ".a"));
  CHECK(is_address_literal("[192.0.2.1]"));
  CHECK(is_address_literal("[ipv6:::1]"));
  CHECK(is_address_literal("[IPv6:::ffff:192.0.2.1]"));
  for (const auto* bad :
       {"", "[", "]", "[]", "192.0.2.1", "[192.0.2.1", "[::1]", "[IPv6:]", "[IPv6:x]"})
    CHECK_FALSE(is_address_literal(bad));
}

}  // namespace
}  // namespace relais::smtp
