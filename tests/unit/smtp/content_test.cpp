// Framing of content: what ends it, what is data, what is counted as a fault.
#include "smtp/content.hpp"

#include <catch2/catch.hpp>

namespace relais::smtp {
namespace {

using std::string;
using namespace std::string_literals;

struct outcome {
  string content{};
  string behind{};  ///< what was not consumed
  bool ended = false, bare_lf = false, bare_cr = false, nul = false, long_line = false;

  friend bool operator==(const outcome&, const outcome&) = default;
};

constexpr std::size_t line_limit = 1000;

/// Feeds the input in pieces that end at `cuts`.
outcome decode(std::string_view input, const std::vector<std::size_t>& cuts = {}) {
  content_decoder decoder(line_limit);
  outcome seen;
  std::size_t at = 0;
  const auto feed = [&](std::size_t until) {
    const auto piece = input.substr(at, until - at);
    const auto progress = decoder.decode(piece, seen.content);
    REQUIRE(progress.consumed <= piece.size());
    REQUIRE((progress.ended || progress.consumed == piece.size()));
    at += progress.consumed;
    seen.ended = progress.ended;
  };
  for (const auto cut : cuts)
    if (!seen.ended) feed(cut);
  if (!seen.ended) feed(input.size());
  seen.behind = input.substr(at);
  seen.bare_lf = decoder.saw_bare_lf();
  seen.bare_cr = decoder.saw_bare_cr();
  seen.nul = decoder.saw_nul();
  seen.long_line = decoder.saw_long_line();
  return seen;
}

struct content_row {
  const char* name;
  string input;
  outcome expected;
};

void check_every_way(const string& input, const outcome& expected) {
  const auto whole = decode(input);
  CHECK(whole.content == expected.content);
  CHECK(whole.behind == expected.behind);
  CHECK(whole.ended == expected.ended);
  CHECK(whole.bare_lf == expected.bare_lf);
  CHECK(whole.bare_cr == expected.bare_cr);
  CHECK(whole.nul == expected.nul);
  CHECK(whole.long_line == expected.long_line);
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < input.size(); ++i) {
    every.push_back(i);
    CHECK(decode(input, {i}) == whole);
  }
  CHECK(decode(input, every) == whole);
}

TEST_CASE("only CRLF.CRLF ends the content, however it arrives") {
  const auto row = GENERATE(values<content_row>({
      {"nothing but the end", ".\r\n", {"", "", true}},
      {"one line", "a\r\n.\r\n", {"a\r\n", "", true}},
      {"octets behind the end stay", "a\r\n.\r\nQUIT\r\n", {"a\r\n", "QUIT\r\n", true}},
      {"empty lines", "\r\n\r\n.\r\n", {"\r\n\r\n", "", true}},
      {"stuffed dot", "..\r\n..a\r\n.\r\n", {".\r\n.a\r\n", "", true}},
      {"stuffing forgotten", ".a\r\n.\r\n", {"a\r\n", "", true}},
      {"dots within a line", "a.\r\na.b\r\n.\r\n", {"a.\r\na.b\r\n", "", true}},
      {"no end yet", "a\r\nb", {"a\r\nb"}},
      {"CR held back", "a\r", {"a"}},
      {"dot held back", "a\r\n.", {"a\r\n"}},
      {"dot and CR held back", "a\r\n.\r", {"a\r\n"}},
      {"LF.LF", "a\n.\nb\r\n.\r\n", {"a\r\n.\r\nb\r\n", "", true, true}},
      {"LF.CRLF", "a\n.\r\nb\r\n.\r\n", {"a\r\n.\r\nb\r\n", "", true, true}},
      {"CRLF.LF", "a\r\n.\nb\r\n.\r\n", {"a\r\n.\r\nb\r\n", "", true, true}},
      {"CR.CR", "a\r.\rb\r\n.\r\n", {"a . b\r\n", "", true, false, true}},
      {"CR.CRLF", "a\r.\r\nb\r\n.\r\n", {"a .\r\nb\r\n", "", true, false, true}},
      {"CR.LF", "a\r.\nb\r\n.\r\n", {"a .\r\nb\r\n", "", true, true, true}},
      {"LF.CR", "a\n.\rb\r\n.\r\n", {"a\r\n b\r\n", "", true, true, true}},
      {"CRLF.CR", "a\r\n.\rb\r\n.\r\n", {"a\r\n b\r\n", "", true, false, true}},
      {"CRLF.CRCRLF", "a\r\n.\r\r\nb\r\n.\r\n", {"a\r\n \r\nb\r\n", "", true, false, true}},
      {"LFCR.CRLF", "a\n\r.\r\nb\r\n.\r\n", {"a\r\n .\r\nb\r\n", "", true, true, true}},
      {"CRCRLF.CRLF holds CRLF.CRLF", "a\r\r\n.\r\nb", {"a \r\n", "b", true, false, true}},
      {"LFCRLF.CRLF holds CRLF.CRLF", "a\n\r\n.\r\nb", {"a\r\n\r\n", "b", true, true}},
      {"LF.LF at the start", "\n.\n.\r\n", {"\r\n.\r\n.\r\n", "", false, true}},
      {".LF at the start", ".\na\r\n.\r\n", {".\r\na\r\n", "", true, true}},
      {"LF..CRLF", "a\n..\r\n.\r\n", {"a\r\n.\r\n", "", true, true}},
      {"stray CRs in a row", "\r\r\r\r\n.\r\n", {"   \r\n", "", true, false, true}},
      {"NUL between CRLF and dot",
       "a\r\n\0.\r\n.\r\n"s,
       {"a\r\n\0.\r\n"s, "", true, false, false, true}},
      {"NUL behind the dot", "a\r\n.\0\r\n.\r\n"s, {"a\r\n\0\r\n"s, "", true, false, false, true}},
      {"NUL within CRLF", "a\r\0\n.\r\n"s, {"a \0\r\n.\r\n"s, "", false, true, true, true}},
      {"NUL behind the end is not the content's", "a\r\n.\r\n\0"s, {"a\r\n", "\0"s, true}},
      {"line of 1000 with CRLF",
       string(998, 'a') + "\r\n.\r\n",
       {string(998, 'a') + "\r\n", "", true}},
      {"a stuffed dot does not count",
       ".." + string(997, 'a') + "\r\n.\r\n",
       {"." + string(997, 'a') + "\r\n", "", true}},
  }));
  DYNAMIC_SECTION(row.name) {
    check_every_way(row.input, row.expected);
  }
}

TEST_CASE("a line above the limit is noticed, ended or not") {
  CHECK(decode(string(999, 'a') + "\r\n.\r\n").long_line);
  CHECK(decode("ok\r\n" + string(1001, 'a')).long_line);
  CHECK(decode(string(1200, '\r')).long_line);
  CHECK_FALSE(decode(string(1000, '\n') + "a\r\n.\r\n").long_line);
}

TEST_CASE("a flood of stray line ends is normalized, each by itself") {
  const string flood = string(1 << 20, '\r') + "a" + string(1 << 20, '\n');
  const auto seen = decode(flood);
  CHECK(seen.content.size() == (1 << 20) + 1 + (2 << 20));
}

string stuff(std::string_view content, std::size_t piece) {
  dot_stuffer stuffer;
  string wire;
  for (std::size_t at = 0; at < content.size(); at += piece)
    stuffer.append(content.substr(at, piece), wire);
  stuffer.end(wire);
  return wire;
}

TEST_CASE("content comes back from the wire as it was, in pieces of any size") {
  const auto content = GENERATE(values<string>({
      "",
      "a\r\n",
      ".\r\n",
      "..\r\n",
      "\r\n",
      "\r\n.\r\n",
      ".a\r\n.b\r\n..c\r\n\r\n.\r\n",
      "a.b\r\n.",
      "no end of line",
      "a\r\n.no end of line",
  }));
  CAPTURE(content);
  const bool closed = content.empty() || content.ends_with("\r\n");
  const auto wire = stuff(content, content.size() + 1);
  for (std::size_t piece = 1; piece <= content.size(); ++piece)
    CHECK(stuff(content, piece) == wire);
  const auto back = decode(wire + "NOOP\r\n");
  CHECK(back.ended);
  CHECK(back.behind == "NOOP\r\n");
  CHECK(back.content == (closed ? content : content + "\r\n"));
  CHECK_FALSE((back.bare_lf || back.bare_cr));
}

TEST_CASE("each dot that begins a line is doubled, and only those") {
  CHECK(stuff(".a\r\nb.\r\n.\r\n", 3) == "..a\r\nb.\r\n..\r\n.\r\n");
  CHECK(stuff("", 1) == ".\r\n");
  CHECK(stuff("a", 1) == "a\r\n.\r\n");
  CHECK(stuff("a\r", 1) == "a\r\r\n.\r\n");
}

TEST_CASE("a stuffer begins anew after the end") {
  dot_stuffer stuffer;
  string wire;
  stuffer.append("a", wire);
  stuffer.end(wire);
  stuffer.append(".b\r\n", wire);
  stuffer.end(wire);
  CHECK(wire == "a\r\n.\r\n..b\r\n.\r\n");
}

}  // namespace
}  // namespace relais::smtp
