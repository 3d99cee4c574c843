// Replies off the wire: what is one, what is none, and that cuts between reads change nothing.
#include "smtp/reply_parser.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"

using namespace relais;
using namespace relais::smtp;

namespace {

/// All replies as "550|line|line;", "!" for a protocol error, "?" for octets of an incomplete one.
std::string drain(reply_parser& parser) {
  std::string shown;
  for (;;) {
    const auto r = parser.next();
    if (!r) return shown + (r.error() == errc::protocol_error ? "!" : "wrong error");
    if (!*r) return shown;
    shown += std::to_string((*r)->code());
    for (const auto& line : (*r)->lines()) shown += "|" + line;
    shown += ";";
  }
}

std::string read_in_pieces(std::string_view wire, std::size_t first, std::size_t piece) {
  reply_parser parser;
  std::string shown;
  for (std::size_t from = 0; from < wire.size();) {
    const auto size = from == 0 ? first : piece;
    parser.receive(wire.substr(from, size));
    shown = shown.ends_with('!') ? shown : shown + drain(parser);
    from += size;
  }
  if (!shown.ends_with('!') && parser.is_inside_reply()) shown += "?";
  return shown;
}

struct row {
  std::string name, wire, shown;
};

std::string lines(std::size_t count, std::size_t text) {
  std::string wire;
  for (std::size_t i = 0; i + 1 < count; ++i) wire += "250-" + std::string(text, 'x') + "\r\n";
  return wire + "250 end\r\n";
}

}  // namespace

TEST_CASE("replies are read by RFC 5321 4.2, however the octets are cut") {
  const auto r = GENERATE(values<row>({
      {"one line", "250 ok\r\n", "250|ok;"},
      {"no text", "250\r\n", "250|;"},
      {"a space and no text", "250 \r\n", "250|;"},
      {"several lines", "250-a\r\n250-b c\r\n250 d\r\n", "250|a|b c|d;"},
      {"continued line without text", "250-\r\n250 d\r\n", "250||d;"},
      {"ends at a line of the code alone", "250-a\r\n250\r\n", "250|a|;"},
      {"LF alone ends a line", "250-a\n250 b\n", "250|a|b;"},
      {"two replies", "250 a\r\n354 b\r\n", "250|a;354|b;"},
      {"the text may hold anything but LF", "550 \x01\xff\rx\r\n", "550|\x01\xff\rx;"},
      {"lowest code", "200 a\r\n", "200|a;"},
      {"highest code", "599 a\r\n", "599|a;"},
      {"incomplete line", "250 o", "?"},
      {"incomplete reply", "250-a\r\n", "?"},
      {"reply, then a piece", "250 a\r\n2", "250|a;?"},
      {"1yz", "150 a\r\n", "!"},
      {"6yz", "600 a\r\n", "!"},
      {"not a number", "HTTP/1.1 400 Bad Request\r\n", "!"},
      {"empty line", "\r\n", "!"},
      {"LF", "\n", "!"},
      {"two digits", "25\r\n", "!"},
      {"four digits", "2500 a\r\n", "!"},
      {"no separator", "250a\r\n", "!"},
      {"tab as separator", "250\ta\r\n", "!"},
      {"leading space", " 250 a\r\n", "!"},
      {"another code inside", "250-a\r\n251 b\r\n", "!"},
      {"a refusal inside a success", "250-a\r\n550 b\r\n", "!"},
      {"a good reply, then none", "250 a\r\nxyz\r\n250 b\r\n", "250|a;!"},
      {"CR alone ends nothing", "250 a\r250 b\r\n", "250|a\r250 b;"},
      {"two CR", "250 a\r\r\n", "250|a\r;"},
  }));
  DYNAMIC_SECTION(r.name) {
    CHECK(read_in_pieces(r.wire, r.wire.size(), 1) == r.shown);
    CHECK(read_in_pieces(r.wire, 1, 1) == r.shown);
    for (std::size_t at = 1; at < r.wire.size(); ++at) {
      CHECK(read_in_pieces(r.wire, at, r.wire.size()) == r.shown);
    }
  }
}

TEST_CASE("a reply has limits: octets of a line, lines, octets in all") {
  const auto ok = [](const std::string& wire) {
    const auto whole = read_in_pieces(wire, wire.size(), 1);
    CHECK((whole == read_in_pieces(wire, 1, 1)));
    CHECK((whole == read_in_pieces(wire, 1000, 777)));
    return !whole.ends_with('!');
  };
  CHECK(ok("250 " + std::string(2042, 'x') + "\r\n"));
  CHECK_FALSE(ok("250 " + std::string(2043, 'x') + "\r\n"));
  CHECK_FALSE(ok("250 " + std::string(5000, 'x')));  // no line end in sight
  CHECK(ok("250 " + std::string(2043, 'x')));
  CHECK_FALSE(ok("250 " + std::string(2044, 'x')));
  CHECK(ok(lines(100, 10)));
  CHECK_FALSE(ok(lines(101, 10)));
  CHECK(ok(lines(33, 1990)));
  CHECK_FALSE(ok(lines(40, 1990)));
}

TEST_CASE("limits count one reply, not the session") {
  reply_parser parser;
  for (int i = 0; i < 50; ++i) {
    parser.receive(lines(90, 30));
    REQUIRE(drain(parser).starts_with("250|"));
  }
  CHECK_FALSE(parser.is_inside_reply());
}

TEST_CASE("enhanced codes are read strictly and believed if their class agrees") {
  struct enhanced_row {
    unsigned code;
    std::string line, shown;
  };
  const auto r = GENERATE(values<enhanced_row>({
      {550, "5.1.1 no such user", "5.1.1"},
      {550, "5.1.1", "5.1.1"},
      {250, "2.0.0 ok", "2.0.0"},
      {450, "4.7.25 x", "4.7.25"},
      {450, "4.7.255 x", "4.7.255"},
      {450, "5.7.1 x", ""},
      {550, "4.7.1 x", ""},
      {354, "2.0.0 go", ""},
      {354, "3.0.0 go", ""},
      {550, "5.1 x", ""},
      {550, "5.1.1x", ""},
      {550, "5.1.1.1 x", ""},
      {550, "5.1.1234 x", ""},
      {550, "5.01.1 x", ""},
      {550, "5..1 x", ""},
      {550, " 5.1.1 x", ""},
      {550, "", ""},
  }));
  DYNAMIC_SECTION(r.code << " " << r.line) {
    CHECK(reply(r.code, {r.line}).enhanced().text() == r.shown);
  }
  CHECK_FALSE(reply(550, {}).enhanced().present());
}

TEST_CASE("a reply as text is one printable line of bounded length") {
  CHECK(reply(550, {"5.1.1 no such user"}).text() == "550 5.1.1 no such user");
  CHECK(reply(550, {"5.1.1 no such", "5.1.1 user here"}).text() == "550 5.1.1 no such user here");
  CHECK(reply(250, {""}).text() == "250");
  CHECK(reply(550, {"a\nb\x1b[2J\xff"}).text() == "550 a\\x0ab\\x1b[2J\\xff");
  CHECK(reply(550, std::vector<std::string>(100, std::string(600, 'x'))).text().size() < 1100);
}
