// The server core seen by its driver: events, counts, boundaries, and the contract.
#include <catch2/catch.hpp>
#include <stdexcept>

#include "scripted_session.hpp"

namespace relais::smtp {
namespace {

using kind = server_event_kind;
const std::string open_mail = "EHLO c\r\nMAIL FROM:<a@b> SIZE=7 BODY=8BITMIME\r\n";

server_options options() {
  return usual_options();
}

TEST_CASE("events carry what the command said") {
  server_protocol smtp(options());
  smtp.greet();
  smtp.receive(open_mail + "RCPT TO:<@x:c@D>\r\nDATA\r\nhi\r\n.\r\nRSET\r\n");
  auto event = smtp.next();
  REQUIRE(event.kind == kind::hello);
  CHECK(event.text == "c");
  CHECK(smtp.hello() == "c");
  CHECK(smtp.greeted_with_ehlo());
  event = smtp.next();
  REQUIRE(event.kind == kind::mail);
  CHECK(event.address->text() == "a@b");
  CHECK(event.mail->size == 7);
  CHECK(event.mail->body == body_type::eight_bit_mime);
  CHECK(smtp.last_command() == "MAIL");
  smtp.reply(reply_id::sender_ok);
  event = smtp.next();
  REQUIRE(event.kind == kind::rcpt);
  CHECK(event.address->text() == "c@D");
  smtp.reply(reply_id::recipient_ok);
  REQUIRE(smtp.next().kind == kind::data);
  CHECK_FALSE(smtp.in_content());
  smtp.reply(reply_id::start_data);
  CHECK(smtp.in_content());
  event = smtp.next();
  REQUIRE(event.kind == kind::content);
  CHECK(event.text == "hi\r\n");
  CHECK(smtp.last_command() == "DATA");
  event = smtp.next();
  REQUIRE(event.kind == kind::end_of_data);
  CHECK_FALSE(event.content_fault);
  CHECK(smtp.content_octets() == 4);
  smtp.reply(reply_id::queued, "id");
  CHECK_FALSE(smtp.in_content());
  CHECK(smtp.next().kind == kind::need_input);
  CHECK(smtp.last_command() == "RSET");
}

TEST_CASE("a refused DATA keeps the transaction") {
  server_protocol smtp(options());
  smtp.greet();
  smtp.receive("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nDATA\r\n");
  REQUIRE(smtp.next().kind == kind::hello);
  REQUIRE(smtp.next().kind == kind::mail);
  smtp.reply(reply_id::sender_ok);
  REQUIRE(smtp.next().kind == kind::rcpt);
  smtp.reply(reply_id::recipient_ok);
  REQUIRE(smtp.next().kind == kind::data);
  smtp.reply(reply_id::no_storage);
  CHECK(smtp.next().kind == kind::data);
}

TEST_CASE("output waits until the driver takes it, in parts if it likes") {
  server_protocol smtp(options());
  smtp.greet();
  smtp.output_written(4);
  CHECK(smtp.output() == "mx.example ESMTP relais\r\n");
  smtp.receive("NOOP\r\n");
  CHECK(smtp.next().kind == kind::need_input);
  CHECK(smtp.output() == "mx.example ESMTP relais\r\n250 Ok\r\n");
  smtp.output_written(smtp.output().size());
  CHECK(smtp.output().empty());
}

TEST_CASE("whoever talks before the greeting waits for it") {
  server_protocol smtp(options());
  smtp.receive("NOOP\r\n");
  CHECK(smtp.next().kind == kind::need_input);
  CHECK(smtp.output().empty());
  smtp.greet();
  CHECK(smtp.next().kind == kind::need_input);
  CHECK(smtp.output() == "220 mx.example ESMTP relais\r\n250 Ok\r\n");
}

TEST_CASE("the command boundary is where nothing is under way") {
  scripted_session session({});
  auto& smtp = session.protocol();
  CHECK(smtp.at_command_boundary());
  session.feed("EHLO");
  CHECK_FALSE(smtp.at_command_boundary());
  session.feed(" c\r\n");
  CHECK(smtp.at_command_boundary());
  session.feed("MAIL FROM:<a@refused.example>\r\n");
  CHECK(smtp.at_command_boundary());
  session.feed("MAIL FROM:<a@b>\r\n");
  CHECK_FALSE(smtp.at_command_boundary());
  session.feed("RCPT TO:<c@d>\r\nDATA\r\n");
  CHECK_FALSE(smtp.at_command_boundary());
  session.feed("x\r\n.\r\n");
  CHECK(smtp.at_command_boundary());
  session.feed(std::string(5000, 'x'));
  CHECK_FALSE(smtp.at_command_boundary());
  session.feed("\r\n");
  CHECK(smtp.at_command_boundary());
  session.feed("QUIT\r\n");
  CHECK_FALSE(smtp.at_command_boundary());
  CHECK_FALSE(server_protocol(options()).at_command_boundary());
}

TEST_CASE("the session can be closed at any time with a reason") {
  server_protocol smtp(options());
  smtp.greet();
  SECTION("waiting for a reply") {
    smtp.receive(open_mail);
    REQUIRE(smtp.next().kind == kind::hello);
    REQUIRE(smtp.next().kind == kind::mail);
  }
  SECTION("with something untold") {
    smtp.receive("EHLO c\r\nNOOP\r\n");
    REQUIRE(smtp.next().kind == kind::hello);
  }
  SECTION("in the middle of content") {
    smtp.receive(open_mail + "RCPT TO:<c@d>\r\nDATA\r\nx\r");
    REQUIRE(smtp.next().kind == kind::hello);
    REQUIRE(smtp.next().kind == kind::mail);
    smtp.reply(reply_id::sender_ok);
    REQUIRE(smtp.next().kind == kind::rcpt);
    smtp.reply(reply_id::recipient_ok);
    REQUIRE(smtp.next().kind == kind::data);
    smtp.reply(reply_id::start_data);
    REQUIRE(smtp.next().kind == kind::content);
    REQUIRE(smtp.next().kind == kind::need_input);
  }
  smtp.output_written(smtp.output().size());
  smtp.close_with(reply_id::idle_timeout);
  smtp.close_with(reply_id::draining);
  CHECK(smtp.output() == "421 4.4.2 mx.example Timeout, closing connection\r\n");
  smtp.receive("QUIT\r\n");
  CHECK(smtp.next().kind == kind::fatal);
  CHECK(smtp.next().kind == kind::fatal);
}

TEST_CASE("commands are counted, served and in all") {
  scripted_session session({});
  session.feed(
      "MAIL FROM:<a@b>\r\nHELO c\r\nEHLO\r\nEHLO c\r\nMAIL FROM:<a@b>\r\nRCPT "
      "TO:<c@refused.example>\r\n"
      "RCPT TO:<c@d>\r\nDATA\r\nvirus\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT "
      "TO:<c@d>\r\nDATA\r\nx\r\n.\r\n"
      "RSET\r\nRSET x\r\nNOOP\r\nVRFY\r\nVRFY x\r\nHELP\r\nFOO\r\nSTARTTLS\r\nQUIT\r\n");
  const auto& counts = session.protocol().counts();
  const auto is = [](command_counts::pair pair, unsigned ok, unsigned total) {
    return pair.ok == ok && pair.total == total;
  };
  CHECK(is(counts.helo, 1, 1));
  CHECK(is(counts.ehlo, 1, 2));
  CHECK(is(counts.mail, 2, 3));
  CHECK(is(counts.rcpt, 2, 3));
  CHECK(is(counts.data, 1, 2));
  CHECK(is(counts.rset, 1, 2));
  CHECK(is(counts.noop, 1, 1));
  CHECK(is(counts.vrfy, 1, 2));
  CHECK(is(counts.help, 1, 1));
  CHECK(is(counts.unknown, 0, 1));
  CHECK(is(counts.starttls, 0, 1));
  CHECK(is(counts.quit, 1, 1));
}

TEST_CASE("the last command is named as logs name it") {
  scripted_session session({});
  auto& smtp = session.protocol();
  CHECK(smtp.last_command() == "CONNECT");
  session.feed("ehlo c\r\n");
  CHECK(smtp.last_command() == "EHLO");
  session.feed("mail from:<a@b>\r\nRCPT TO:<c@d>\r\ndata\r\nx");
  CHECK(smtp.last_command() == "DATA");
  CHECK(smtp.content_octets() == 1);
  session.feed("\r\n.\r\n");
  CHECK(smtp.last_command() == "END-OF-MESSAGE");
  session.feed("what\r\n");
  CHECK(smtp.last_command() == "UNKNOWN");
}

TEST_CASE("content that will be refused is not handed on") {
  session_rules rules;
  rules.options.limits.message_size = 1000;
  server_protocol smtp(rules.options);
  smtp.greet();
  smtp.receive("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  REQUIRE(smtp.next().kind == kind::hello);
  REQUIRE(smtp.next().kind == kind::mail);
  smtp.reply(reply_id::sender_ok);
  REQUIRE(smtp.next().kind == kind::rcpt);
  smtp.reply(reply_id::recipient_ok);
  REQUIRE(smtp.next().kind == kind::data);
  smtp.reply(reply_id::start_data);
  std::size_t handed_on = 0;
  for (int i = 0; i < 100; ++i) {
    smtp.receive(std::string(98, 'x') + "\r\n");
    for (auto event = smtp.next(); event.kind != kind::need_input; event = smtp.next()) {
      REQUIRE(event.kind == kind::content);
      handed_on += event.text.size();
    }
  }
  CHECK(handed_on == 1000);
  smtp.receive(".\r\n");
  const auto event = smtp.next();
  REQUIRE(event.kind == kind::end_of_data);
  CHECK(event.content_fault == reply_id::message_too_big);
  CHECK(smtp.content_octets() == 10000);
}

TEST_CASE("to break the contract is an error in the program") {
  server_protocol smtp(options());
  smtp.greet();
  CHECK_THROWS_AS(smtp.greet(), std::logic_error);
  CHECK_THROWS_AS(smtp.reply(reply_id::ok), std::logic_error);
  smtp.receive(open_mail);
  REQUIRE(smtp.next().kind == kind::hello);
  REQUIRE(smtp.next().kind == kind::mail);
  CHECK_THROWS_AS(smtp.next(), std::logic_error);
}

}  // namespace
}  // namespace relais::smtp
