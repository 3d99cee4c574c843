// 8-bit content and peers without 8BITMIME (RFC 6152 3).
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::body_type;
using smtp::extension;

const std::string mime =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n";
const std::string letters = "Hello and gr\xc3\xbc\xc3\x9f dich\r\n";
const std::string signed_part =
    "Subject: x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/signed; protocol=\"a/b\"; micalg=sha-256; boundary=\"b\"\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
    letters + "--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n";

bool is_seven_bit(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
}

struct scene : delivery_scene {
  explicit scene(bool also_second = true) {
    first->extensions.remove(extension::eight_bit_mime);
    if (also_second) second->extensions.remove(extension::eight_bit_mime);
  }
  void submit_as(body_type declared, const std::string& content) {
    auto e = letter();
    e.body = declared;
    submit(e, content);
    run(1h);
  }
};

TEST_CASE("declared 8-bit content is converted for a peer without 8BITMIME") {
  scene s;
  s.submit_as(body_type::eight_bit_mime, mime + letters);
  REQUIRE(s.first->taken.size() == 1);
  const auto& got = s.first->taken[0];
  CHECK(is_seven_bit(got.content));
  CHECK(has(got.content, "gr=C3=BC=C3=9F dich\r\n"));
  CHECK(has(got.content, "Content-Transfer-Encoding: quoted-printable\r\n"));
  CHECK(got.mail.body == body_type::seven_bit);
}

TEST_CASE("8-bit content that nobody declared is converted as well, or goes as it came") {
  scene s;
  s.submit_as(body_type::seven_bit, mime + letters);
  s.submit_as(body_type::seven_bit, "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n" + letters);
  REQUIRE(s.first->taken.size() == 2);
  CHECK(is_seven_bit(s.first->taken[0].content));
  CHECK(has(s.first->taken[1].content, letters));
}

TEST_CASE("content that is 7-bit though declared as 8-bit goes as it is") {
  scene s;
  s.submit_as(body_type::eight_bit_mime, "Subject: x\r\n\r\nplain\r\n");
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].content == "Subject: x\r\n\r\nplain\r\n");
  CHECK(s.first->taken[0].mail.body == body_type::seven_bit);
}

TEST_CASE("a signed part is not touched: another host, or back to the sender") {
  const bool elsewhere = GENERATE(true, false);
  scene s(!elsewhere);
  s.submit_as(body_type::eight_bit_mime, signed_part);
  INFO(s.log.text());
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.size() == (elsewhere ? 1 : 0));
  CHECK(has(s.reports(), "Status: 5.6.3\r\n") == !elsewhere);
}

TEST_CASE("without conversion 8-bit content goes to a host that takes it, or back") {
  const bool elsewhere = GENERATE(true, false);
  scene s(!elsewhere);
  s.settings.delivery.convert_8bit = false;
  s.submit_as(body_type::eight_bit_mime, mime + letters);
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.size() == (elsewhere ? 1 : 0));
  CHECK(has(s.reports(), "Status: 5.6.3\r\n") == !elsewhere);
}

TEST_CASE("a large content is converted too") {
  scene s;
  std::string body;
  while (body.size() < 3'000'000) body += letters;
  s.submit_as(body_type::eight_bit_mime, mime + body);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(is_seven_bit(s.first->taken[0].content));
  CHECK(s.first->taken[0].content.size() > body.size());
}

}  // namespace
}  // namespace relais::testing
