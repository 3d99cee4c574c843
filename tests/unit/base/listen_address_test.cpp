#include "base/listen_address.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace relais;
using kind = listen_address::kind;

TEST_CASE("a listener waits at an address or at all of them or at a socket") {
  struct row {
    const char* text;
    kind is;
    const char* shown;
  };
  const auto r = GENERATE(values<row>({{"127.0.0.1:25", kind::inet, "127.0.0.1:25"},
                                       {"0.0.0.0:25", kind::inet, "0.0.0.0:25"},
                                       {"[::1]:25", kind::inet, "[::1]:25"},
                                       {"[::]:587", kind::inet, "[::]:587"},
                                       {"[::ffff:192.0.2.1]:25", kind::inet, "192.0.2.1:25"},
                                       {"127.0.0.1:0", kind::inet, "127.0.0.1:0"},
                                       {"*:25", kind::any, "*:25"},
                                       {":65535", kind::any, "*:65535"},
                                       {"*:0", kind::any, "*:0"},
                                       {"/run/relais/smtp", kind::local, "/run/relais/smtp"},
                                       {"/x", kind::local, "/x"},
                                       {"systemd:smtp", kind::inherited, "systemd:smtp"}}));
  INFO(r.text);
  const auto parsed = listen_address::parse(r.text);
  REQUIRE(parsed);
  CHECK(parsed->is == r.is);
  CHECK(parsed->text() == r.shown);
  CHECK(listen_address::parse(parsed->text()) == parsed);
}

TEST_CASE("what is no place for a listener is refused") {
  const auto* text =
      GENERATE("", ":", "*", "*:", "*:x", "*:65536", "*:+25", "**:25", "25", "localhost:25",
               "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1", "::1:25", "[::1]", "/",
               "/run/relais/", "run/relais", "systemd:", "Systemd:smtp", " 127.0.0.1:25");
  INFO(text);
  CHECK_FALSE(listen_address::parse(text));
}

TEST_CASE("the path of a socket fits into its address") {
  CHECK(listen_address::parse('/' + std::string(106, 'x')));
  CHECK_FALSE(listen_address::parse('/' + std::string(107, 'x')));
}

TEST_CASE("the places of listeners are equal as what they mean") {
  CHECK(listen_address::parse("*:25") == listen_address::parse(":25"));
  CHECK(listen_address::parse("*:25") != listen_address::parse("0.0.0.0:25"));
  CHECK(listen_address::parse("*:25") != listen_address::parse("*:26"));
  CHECK(listen_address::parse("systemd:a") != listen_address::parse("systemd:b"));
  CHECK(listen_address::parse("/a") != listen_address::parse("/b"));
  CHECK(listen_address(*endpoint::parse("192.0.2.1:25")) == *listen_address::parse("192.0.2.1:25"));
}
