// The reply table on the wire. Its inner consistency is checked at compile time in replies.cpp.
#include "smtp/replies.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "base/text.hpp"

namespace relais::smtp {
namespace {

using std::string;

string wire(reply_id id, bool enhanced, std::string_view argument = {}) {
  string output = "before";
  append_reply(output, id, enhanced, argument);
  REQUIRE(output.starts_with("before"));
  return output.substr(6);
}

/// Every line: code, "-" or, on the last, " ", printable ASCII, CRLF, at most 512 octets.
void check_lines(const string& reply, unsigned code, std::string_view enhanced) {
  REQUIRE(reply.ends_with("\r\n"));
  std::size_t at = 0;
  while (at < reply.size()) {
    const auto end = reply.find("\r\n", at);
    const auto line = std::string_view(reply).substr(at, end - at);
    CHECK(line.size() + 2 <= 512);
    CHECK(line.substr(0, 3) == std::to_string(code));
    const bool last = end + 2 == reply.size();
    CHECK(line[3] == (last ? ' ' : '-'));
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    CHECK(line.substr(4).starts_with(enhanced));
    at = end + 2;
  }
}

TEST_CASE("every reply is lawful on the wire, with arguments of any length and content") {
  const auto argument = GENERATE(values<string>({
      "",
      "a@b",
      string(255, 'a'),
      string(256, ' '),
      string(511, 'x') + " y",
      string(5000, 'z'),
      string(512, '\xff'),
      "two\r\n250 lines",
      string(300, 'w') + " " + string(300, 'w'),
  }));
  for (const auto& reply : reply_table()) {
    CAPTURE(reply.situation, argument);
    check_lines(wire(reply.id, true, argument), reply.code, reply.enhanced);
    check_lines(wire(reply.id, false, argument), reply.code, "");
  }
}

TEST_CASE("ids, situations and texts are told apart") {
  std::set<string> situations;
  for (const auto& reply : reply_table()) {
    CHECK(row(reply.id).situation == reply.situation);
    CHECK(situations.insert(string(reply.situation)).second);
  }
  CHECK(situations.size() == static_cast<std::size_t>(reply_id::count_));
}

TEST_CASE("replies that other programs look for") {
  CHECK(wire(reply_id::greeting, true, "mx.example") == "220 mx.example ESMTP relais\r\n");
  CHECK(wire(reply_id::queued, true, "0123") == "250 2.0.0 Ok: queued as 0123\r\n");
  CHECK(wire(reply_id::queued, false, "0123") == "250 Ok: queued as 0123\r\n");
  CHECK(wire(reply_id::relay_denied, true, "a@b") == "550 5.7.1 <a@b>: Relay access denied\r\n");
  CHECK(wire(reply_id::draining, true, "mx").starts_with("421 4.3.2 mx "));
  CHECK(wire(reply_id::no_service, true).starts_with("554 No"));
  CHECK(wire(reply_id::relay_denied, true, "a\r\n250 x\x80") ==
        "550 5.7.1 <a\\x0d\\x0a250 x\\x80>: Relay access denied\r\n");
}

TEST_CASE("a long text is broken at a blank, and no octet of it is lost") {
  const auto reply =
      wire(reply_id::policy_rejected, true, string(400, 'a') + ' ' + string(111, 'b'));
  CHECK(reply == "550-5.7.1 " + string(400, 'a') + "\r\n550 5.7.1 " + string(111, 'b') + "\r\n");
}

TEST_CASE("the first line of EHLO is never split") {
  const std::vector<std::string_view> keywords{"PIPELINING", "HELP"};
  for (const auto& client : {string("client"), string(2000, 'c'), string(192, '\x01')}) {
    string output;
    append_hello(output, string(255, 'h'), client, keywords);
    check_lines(output, 250, "");
    CHECK(std::count(output.begin(), output.end(), '\n') == 3);
    CHECK(output.ends_with("250-PIPELINING\r\n250 HELP\r\n"));
  }
  string output;
  append_hello(output, "mx.example", "client");
  CHECK(output == "250 mx.example greets client\r\n");
}

TEST_CASE("what the first digits say") {
  CHECK(is_positive(row(reply_id::ok)));
  CHECK(is_intermediate(row(reply_id::start_data)));
  CHECK(is_refusal(row(reply_id::no_storage)));
  CHECK(is_refusal(row(reply_id::relay_denied)));
  CHECK_FALSE(is_refusal(row(reply_id::start_data)));
  CHECK(closes_connection(row(reply_id::draining)));
  CHECK(closes_connection(row(reply_id::never_accepts_mail)));
  CHECK_FALSE(closes_connection(row(reply_id::no_service)));
  CHECK(names_host(row(reply_id::bye)));
  CHECK_FALSE(names_host(row(reply_id::ok)));
}

TEST_CASE("reply literals stand in replies.cpp only") {
  const std::regex literal("\"[2-5][0-9][0-9][ -]");
  const auto folder = std::filesystem::path(RELAIS_SOURCE_DIR) / "lib" / "smtp";
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto name = file.path().filename().string();
    if (name == "replies.cpp" || !(name.ends_with(".cpp") || name.ends_with(".hpp"))) continue;
    ++files;
    std::ifstream text(file.path());
    for (string line; std::getline(text, line);) {
      CAPTURE(name, line);
      CHECK_FALSE(std::regex_search(line.substr(0, line.find("//")), literal));
    }
  }
  CHECK(files > 10);
}

}  // namespace
}  // namespace relais::smtp
