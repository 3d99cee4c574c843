// docs/replies.md is made from the reply table and from the table of its tests, which is held true
// here. RELAIS_REGENERATE=1 writes the page instead of comparing.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "support/reply_tests.hpp"

namespace relais::smtp {
namespace {

using std::string;
using testing::replies_without_test;
using testing::reply_tests;

string content_of(const string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const testing::reply_test* find_test(reply_id id) {
  const auto* found = std::ranges::find(reply_tests, id, &testing::reply_test::id);
  return found == reply_tests.end() ? nullptr : found;
}

std::string_view test_of(reply_id id) {
  static std::map<reply_id, string> shown;  // the document takes views
  const auto* test = find_test(id);
  auto& text = shown[id];
  text = test == nullptr ? "not sent yet" : string(test->file) + ": " + string(test->name);
  return text;
}

TEST_CASE("docs/replies.md is the text of the reply table") {
  const string path = RELAIS_SOURCE_DIR "/docs/replies.md";
  const auto generated = replies_markdown(test_of);
  if (std::getenv("RELAIS_REGENERATE") != nullptr) {
    std::ofstream(path, std::ios::binary) << generated;
  }
  INFO(path << " differs from the reply table: RELAIS_REGENERATE=1 makes it anew");
  CHECK((content_of(path) == generated));
}

TEST_CASE("each reply has a test or is known to have none") {
  for (const auto& reply : reply_table()) {
    CAPTURE(name_of(reply.id));
    const bool tested = find_test(reply.id) != nullptr;
    const bool untested =
        std::ranges::find(replies_without_test, reply.id) != replies_without_test.end();
    CHECK(tested != untested);
    CHECK(std::ranges::count(reply_tests, reply.id, &testing::reply_test::id) <= 1);
  }
}

TEST_CASE("what has no test is sent by nobody") {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(RELAIS_SOURCE_DIR "/lib")) {
    if (entry.path().extension() != ".cpp" || entry.path().stem() == "replies") continue;
    const auto text = content_of(entry.path().string());
    for (const auto id : replies_without_test) {
      CAPTURE(entry.path().string(), name_of(id));
      CHECK(text.find("reply_id::" + string(name_of(id))) == string::npos);
    }
  }
}

TEST_CASE("the named tests exist and speak of their reply") {
  std::map<string, string> files;
  for (const auto& test : reply_tests) {
    const string path = RELAIS_SOURCE_DIR "/tests/" + string(test.file);
    auto& text = files[path];
    if (text.empty()) text = content_of(path);
    CAPTURE(path, test.name, name_of(test.id));
    const auto at = text.find(test.name);
    REQUIRE(at != string::npos);
    // In a C++ test, between its name and the next one.
    const bool is_cpp = path.ends_with(".cpp");
    const auto end = is_cpp ? text.find("TEST_CASE(", at) : string::npos;
    const auto body = is_cpp ? text.substr(at, end == string::npos ? end : end - at) : text;
    const string name(name_of(test.id));
    const auto code = std::to_string(row(test.id).code);
    CHECK(body.find(is_cpp ? "reply_id::" + name : code) != string::npos);
  }
}

TEST_CASE("replies are found by their name") {
  for (const auto& reply : reply_table()) CHECK(find_reply(name_of(reply.id)) == reply.id);
  CHECK(name_of(reply_id::relay_denied) == "relay_denied");
  CHECK_FALSE(find_reply("relay_denie"));
  CHECK_FALSE(find_reply(""));
}

TEST_CASE("which texts may replace those of the table") {
  reply_texts texts;
  CHECK(texts.text_of(reply_id::ok) == "Ok");
  CHECK(texts.set(reply_id::ok, "Fine").empty());
  CHECK(texts.text_of(reply_id::ok) == "Fine");
  CHECK(texts.set(reply_id::relay_denied, "Not to {}, see https://a.example/").empty());
  CHECK(texts.set(reply_id::relay_denied, "Not from you").empty());
  CHECK(texts.set(reply_id::greeting, "{} ESMTP").empty());
  CHECK_FALSE(texts.set(reply_id::greeting, "welcome to {}").empty());
  CHECK_FALSE(texts.set(reply_id::draining, "Go away").empty());
  CHECK_FALSE(texts.set(reply_id::ok, "").empty());
  CHECK_FALSE(texts.set(reply_id::ok, "Fine {}").empty());
  CHECK_FALSE(texts.set(reply_id::relay_denied, "{} {}").empty());
  CHECK_FALSE(texts.set(reply_id::ok, "a\r\n250 b").empty());
  CHECK_FALSE(texts.set(reply_id::ok, "\xc3\xa5").empty());
  CHECK_FALSE(texts.set(reply_id::ok, string(401, 'x')).empty());
  CHECK_FALSE(texts.set(reply_id::hello, "{} hi").empty());
  CHECK_FALSE(texts.set(reply_id::auth_challenge, "{}").empty());
  CHECK(texts.text_of(reply_id::ok) == "Fine");
  string wire;
  append_reply(wire, reply_id::ok, true, {}, &texts);
  CHECK(wire == "250 2.0.0 Fine\r\n");
}

}  // namespace
}  // namespace relais::smtp
