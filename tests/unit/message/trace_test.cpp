#include "message/trace.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"

using namespace relais;
using message::received_header;

namespace {

const wall_time arrival = wall_time(std::chrono::seconds(1795222923));  // 2026-11-21 01:02:03 UTC

message::trace ordinary() {
  message::trace t;
  t.hello = "client.example";
  t.client_name = "unknown";
  t.client_address = "192.0.2.7";
  t.by = "relay.example";
  t.protocol = "ESMTP";
  t.id = queue_id{0x019AA12345678901};
  t.arrival = arrival;
  return t;
}

/// One field: every line but the first is folded, nothing but CRLF ends lines, no control inside.
void check_is_one_field(const std::string& field) {
  REQUIRE(field.starts_with("Received: from "));
  REQUIRE(field.ends_with("\r\n"));
  std::string_view rest = field;
  for (bool first = true; !rest.empty(); first = false) {
    const auto end = rest.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    auto line = rest.substr(0, end);
    CHECK(line.size() <= 998);
    if (!first) {
      REQUIRE(line.starts_with('\t'));
      line.remove_prefix(1);
    }
    CHECK_FALSE(line.empty());
    for (const char c : line) CHECK_FALSE(is_control(c));
    rest.remove_prefix(end + 2);
  }
}

}  // namespace

TEST_CASE("dates are written as RFC 5322 wants them") {
  CHECK(message::rfc5322_date(arrival) == "Sat, 21 Nov 2026 01:02:03 +0000");
  CHECK(message::rfc5322_date(wall_time{}) == "Thu, 01 Jan 1970 00:00:00 +0000");
  CHECK(message::rfc5322_date(wall_time(std::chrono::microseconds(-1))) ==
        "Wed, 31 Dec 1969 23:59:59 +0000");
  CHECK(message::rfc5322_date(wall_time(std::chrono::seconds(951827696))) ==
        "Tue, 29 Feb 2000 12:34:56 +0000");
}

TEST_CASE("the Received field names client, us, protocol, id and date") {
  CHECK(received_header(ordinary()) ==
        "Received: from client.example (unknown [192.0.2.7])\r\n"
        "\tby relay.example (relais) with ESMTP id 019AA12345678901;\r\n"
        "\tSat, 21 Nov 2026 01:02:03 +0000\r\n");
}

TEST_CASE("the Received field names a single recipient and an IPv6 client") {
  auto t = ordinary();
  t.client_address = "2001:db8::1";
  t.client_name = "mail.client.example";
  t.for_recipient = "joe@rcpt.example";
  CHECK(received_header(t) ==
        "Received: from client.example (mail.client.example [IPv6:2001:db8::1])\r\n"
        "\tby relay.example (relais) with ESMTP id 019AA12345678901\r\n"
        "\tfor <joe@rcpt.example>;\r\n"
        "\tSat, 21 Nov 2026 01:02:03 +0000\r\n");
}

TEST_CASE("a local message has no client address") {
  auto t = ordinary();
  t.hello = "";
  t.client_address = "";
  CHECK(received_header(t).starts_with("Received: from localhost\r\n\tby relay.example"));
}

TEST_CASE("long names are folded, lines stay short where the words allow it") {
  auto t = ordinary();
  const std::string name = std::string(60, 'a') + ".example";
  t.hello = name;
  t.client_name = name;
  t.by = name;
  const auto field = received_header(t);
  check_is_one_field(field);
  for (const auto line : split(field, '\n')) CHECK(line.size() <= 1 + 70 + 1 + 18 + 1);
}

TEST_CASE("nothing that a client says breaks out of the Received field") {
  const std::vector<std::string> attacks{"x\r\nBcc: victim@example",
                                         "x\nX: y",
                                         "x)(y",
                                         "x\"y\\",
                                         std::string("a\0b", 3),
                                         "a;b",
                                         "x (y) for <z@z>",
                                         "\x7f",
                                         "\xc3\xa4\xff",
                                         std::string(100000, 'h'),
                                         "[192.0.2.1]",
                                         "\t",
                                         "\r\n"};
  for (const auto& attack : attacks) {
    auto t = ordinary();
    t.hello = attack;
    t.client_name = attack;
    t.protocol = attack;
    t.tls = attack;
    t.user = attack;
    t.for_recipient = attack;
    const auto field = received_header(t);
    CAPTURE(field);
    check_is_one_field(field);
    std::size_t open = 0;
    std::size_t closed = 0;
    const auto until_for = field.substr(0, field.find("\tfor <"));
    for (const char c : until_for) {
      open += c == '(';
      closed += c == ')';
      CHECK(c != '"');
      CHECK(c != '\\');
    }
    CHECK(open == 4 + (attack == "x (y) for <z@z>" ? 2 : 0));  // pairs stay in a comment
    CHECK(closed == open);
  }
}

TEST_CASE("a recipient that is no address is not shown") {
  for (const std::string_view bad : {"a>b@c", "a\r\nb@c", "\xff@c"}) {
    auto t = ordinary();
    t.for_recipient = bad;
    CHECK(received_header(t) == received_header(ordinary()));
  }
}

TEST_CASE("the Received field tells how TLS was spoken, and who logged in if it shall") {
  auto t = ordinary();
  t.protocol = message::protocol_word(true, true, true, false);
  t.tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
  t.user = "joe@client.example";
  CHECK(received_header(t) ==
        "Received: from client.example (unknown [192.0.2.7])\r\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
        "\t(Authenticated sender: joe@client.example)\r\n"
        "\tby relay.example (relais) with ESMTPSA id 019AA12345678901;\r\n"
        "\tSat, 21 Nov 2026 01:02:03 +0000\r\n");
}

TEST_CASE("a hidden client leaves no name and no address in the Received field") {
  auto t = ordinary();
  t.hide_client = true;
  CHECK(received_header(t) ==
        "Received: from localhost\r\n"
        "\tby relay.example (relais) with ESMTP id 019AA12345678901;\r\n"
        "\tSat, 21 Nov 2026 01:02:03 +0000\r\n");
}

TEST_CASE("the protocol words are those that are registered") {
  using message::protocol_word;
  CHECK(protocol_word(false, false, false, false) == "SMTP");
  CHECK(protocol_word(false, true, false, false) == "SMTP");
  CHECK(protocol_word(true, false, false, false) == "ESMTP");
  CHECK(protocol_word(true, false, true, false) == "ESMTPA");
  CHECK(protocol_word(true, true, false, false) == "ESMTPS");
  CHECK(protocol_word(true, true, true, false) == "ESMTPSA");
  CHECK(protocol_word(true, false, false, true) == "UTF8SMTP");
  CHECK(protocol_word(true, false, true, true) == "UTF8SMTPA");
  CHECK(protocol_word(true, true, false, true) == "UTF8SMTPS");
  CHECK(protocol_word(true, true, true, true) == "UTF8SMTPSA");
}
