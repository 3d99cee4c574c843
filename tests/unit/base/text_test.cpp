#include "base/text.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace relais;
using namespace std::string_literals;

TEST_CASE("case folding is ASCII only") {
  CHECK(to_lower("ABCxyz[]@`{") == "abcxyz[]@`{");
  CHECK(to_lower("\xc3\x84") == "\xc3\x84");
  CHECK(iequals("Mail FROM", "mAIL from"));
  CHECK_FALSE(iequals("[", "{"));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK(iequals("", ""));
  CHECK(istarts_with("MAIL from:<>", "mail FROM:"));
  CHECK_FALSE(istarts_with("MA", "MAIL"));
}

TEST_CASE("trimming takes spaces and tabs only") {
  CHECK(trimmed(" \t a b\t ") == "a b");
  CHECK(trimmed("\r\n") == "\r\n");
  CHECK(trimmed(" \t ").empty());
  CHECK(trimmed("").empty());
}

TEST_CASE("splitting keeps empty parts") {
  using parts = std::vector<std::string_view>;
  CHECK(split("a,b,,c", ',') == parts{"a", "b", "", "c"});
  CHECK(split(",", ',') == parts{"", ""});
  CHECK(split("", ',') == parts{""});
}

TEST_CASE("numbers are decimal digits and nothing else") {
  CHECK(parse_number("0") == 0u);
  CHECK(parse_number("007") == 7u);
  CHECK(parse_number("18446744073709551615") == UINT64_MAX);
  for (const auto* bad : {"", " 1", "1 ", "+1", "-1", "1a", "0x1", "1.0", "18446744073709551616"}) {
    INFO(bad);
    CHECK_FALSE(parse_number(bad));
  }
}

TEST_CASE("printable text shows what would harm a log or a terminal") {
  struct row {
    std::string text, shown;
  };
  const auto r = GENERATE(values<row>({{"plain <a@b>", "plain <a@b>"},
                                       {"a\r\nb", "a\\x0d\\x0ab"},
                                       {"\x1b[2J", "\\x1b[2J"},
                                       {"\0"s, "\\x00"},
                                       {"\x7f", "\\x7f"},
                                       {"tab\t", "tab\\x09"},
                                       {"\\", "\\"},
                                       {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
                                       {"\xc2\x9b"
                                        "2J",
                                        "\\xc2\\x9b2J"},  // CSI as C1
                                       {"\xff\xfe", "\\xff\\xfe"},
                                       {"\xc3", "\\xc3"},
                                       {"\xc0\x8a", "\\xc0\\x8a"},           // overlong LF
                                       {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // surrogate
                                       {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
                                       {"\xf0\x9f\x93\xae", "\xf0\x9f\x93\xae"}}));
  CHECK(printable(r.text) == r.shown);
}

TEST_CASE("printable text is cut at its limit") {
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdef", 3) == "abc...");
  CHECK(printable("\n\n\n", 2) == "\\x0a\\x0a...");
  // A character that the cut splits is shown as octets, not passed on broken.
  CHECK(is_valid_utf8(printable("a\xc3\xbc", 2)));
  CHECK(printable("a\xc3\xbc", 2) == "a\\xc3...");
}

TEST_CASE("printable text of every two octets is valid UTF-8 without controls") {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const auto shown = printable(std::string{static_cast<char>(a), static_cast<char>(b)});
      bool controls = false;
      for (const char c : shown) controls = controls || is_control(c);
      if (controls || !is_valid_utf8(shown)) FAIL_CHECK(a << ' ' << b);
    }
  }
}

TEST_CASE("UTF-8 is checked strictly") {
  for (const auto* good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_valid_utf8(good));
  }
  for (const auto* bad :
       {"\x80", "\xc2", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x93"}) {
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("base64 follows the vectors of RFC 4648 10") {
  struct row {
    const char *octets, *text;
  };
  const auto r = GENERATE(values<row>({{"", ""},
                                       {"f", "Zg=="},
                                       {"fo", "Zm8="},
                                       {"foo", "Zm9v"},
                                       {"foob", "Zm9vYg=="},
                                       {"fooba", "Zm9vYmE="},
                                       {"foobar", "Zm9vYmFy"}}));
  CHECK(base64_encode(r.octets) == r.text);
  CHECK(base64_decode(r.text) == r.octets);
}

TEST_CASE("base64 carries every octet") {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
    CHECK(base64_decode(base64_encode(all)) == all);
  }
}

TEST_CASE("base64 that is not strict is refused") {
  for (const auto* bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n",
                          " Zm9v", "Zm-v", "Zh==", "Zm9=", "Z=g=", "Zm9v===="}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad));
  }
}
