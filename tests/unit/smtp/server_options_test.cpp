// What the driver can set for a session: budgets, bare names, texts, what is offered; and what it
// can ask about who talks out of turn.
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

TEST_CASE("the budget of junk commands") {
  session_rules rules;
  rules.options.limits.junk_commands = 3;
  const auto row = GENERATE(values<sequence_row>({
      {"spent", EHLO + "NOOP\r\nRSET\r\nVRFY x\r\n" + QUIT, ehlo + ok + ok + too_many_errors, "hf"},
      {"QUIT is always served", EHLO + "NOOP\r\nHELP\r\n" + QUIT, ehlo + ok + help + bye, "hq"},
      {"EHLO again and again", EHLO + EHLO + EHLO + EHLO, ehlo + ehlo + ehlo + too_many_errors,
       "hhhf"},
      {"a message sets it back",
       EHLO + "NOOP\r\nNOOP\r\n" + MAIL + RCPT + DATA + ".\r\n" + "NOOP\r\nNOOP\r\nNOOP\r\n" + QUIT,
       ehlo + ok + ok + mail_ok + rcpt_ok + start + queued + ok + ok + ok + bye, "hmcteq", "|"},
  }));
  check_rows(rules, row);
}

TEST_CASE("no budget of junk commands") {
  session_rules rules;
  rules.options.limits.junk_commands = 0;
  string input, output;
  for (int i = 0; i < 1000; ++i) {
    input += "NOOP\r\n";
    output += "250 Ok\r\n";
  }
  CHECK(run(rules, input, {}).sent == greeted + output);
}

TEST_CASE("bare local-parts") {
  const string no_sender = "553 5.1.7 <root>: Sender address needs a domain\r\n";
  const string no_recipient = "553 5.1.3 <root>: Recipient address needs a domain\r\n";
  session_rules rules;
  SECTION("refused") {
    const auto row = GENERATE_COPY(values<sequence_row>({
        {"sender", EHLO + "MAIL FROM:<root>\r\nMAIL FROM:root\r\n", ehlo + no_sender + no_sender,
         "h"},
        {"recipient", EHLO + MAIL + "RCPT TO:<root>\r\n" + DATA,
         ehlo + mail_ok + no_recipient + nobody, "hm"},
        {"but for postmaster", EHLO + MAIL + "RCPT TO:<PostMaster>\r\n", ehlo + mail_ok + rcpt_ok,
         "hmc"},
        {"what is no local-part either",
         EHLO + "MAIL FROM:<a..b>\r\nMAIL FROM:<a@>\r\nMAIL FROM:<root\r\nMAIL FROM:<" +
             string(65, 'x') + ">\r\n",
         ehlo + bad_sender + bad_sender + bad_sender + bad_sender, "h"},
    }));
    check_rows(rules, row);
  }
  SECTION("allowed") {
    rules.options.bare_names_allowed = true;
    const auto row = GENERATE(values<sequence_row>({
        {"both",
         EHLO + "MAIL FROM:<root> SIZE=1\r\nRCPT TO:<\"a b\">\r\nRCPT TO:joe NOTIFY=NEVER\r\n",
         ehlo + mail_ok + rcpt_ok + rcpt_ok, "hmcc"},
    }));
    check_rows(rules, row);
  }
}

TEST_CASE("texts of the configuration") {
  reply_texts texts;
  REQUIRE(texts.set(reply_id::greeting, "{} at your service").empty());
  REQUIRE(texts.set(reply_id::recipient_ok, "Fine").empty());
  REQUIRE(texts.set(reply_id::relay_denied, "No, not to {}").empty());
  session_rules rules;
  rules.options.texts = &texts;
  check_every_way(rules, EHLO + MAIL + RCPT + REFUSED,
                  {"220 mx.example at your service\r\n" + ehlo + mail_ok +
                       "250 2.1.5 Fine\r\n550 5.7.1 No, not to x@refused.example\r\n",
                   "hmcc", ""});
}

TEST_CASE("enhanced codes come with their extension") {
  session_rules rules;
  rules.options.extensions.remove(extension::enhanced_statuscodes);
  check_every_way(rules, EHLO + "NOOP\r\n",
                  {greeted + without(ehlo, "ENHANCEDSTATUSCODES") + "250 Ok\r\n", "h", ""});
}

TEST_CASE("topics of HELP") {
  check_every_way(
      {}, EHLO + "HELP mail\r\nHELP STARTTLS\r\nHELP me\r\n",
      {greeted + ehlo + help + help + "504 5.5.4 Argument not implemented\r\n", "h", ""});
}

TEST_CASE("who talks out of turn is seen") {
  server_protocol smtp(usual_options());
  CHECK_FALSE(smtp.has_unread_input());
  smtp.receive(EHLO);
  CHECK(smtp.has_unread_input());
  smtp.greet();
  REQUIRE(smtp.next().kind == server_event_kind::hello);
  CHECK_FALSE(smtp.has_unread_input());
  const auto flush = [&] { smtp.output_written(smtp.output().size()); };
  SECTION("behind EHLO") {
    REQUIRE(smtp.next().kind == server_event_kind::need_input);
    flush();
    smtp.receive(EHLO + MAIL);
    REQUIRE(smtp.next().kind == server_event_kind::hello);
    CHECK(smtp.has_unread_input());
  }
  SECTION("a batch of mail commands is lawful, content before its 354 is not") {
    smtp.receive(MAIL + RCPT + DATA + "x\r\n.\r\n");
    REQUIRE(smtp.next().kind == server_event_kind::mail);
    CHECK_FALSE(smtp.has_unread_input());
    smtp.reply(reply_id::sender_ok);
    REQUIRE(smtp.next().kind == server_event_kind::rcpt);
    CHECK_FALSE(smtp.has_unread_input());
    smtp.reply(reply_id::recipient_ok);
    REQUIRE(smtp.next().kind == server_event_kind::data);
    CHECK(smtp.has_unread_input());
  }
}

TEST_CASE("a session can be closed before its greeting") {
  server_protocol smtp(usual_options());
  smtp.receive(EHLO);
  smtp.close_with(reply_id::draining);
  CHECK(smtp.output() == "421 mx.example Service is shutting down, try again later\r\n");
  CHECK(smtp.next().kind == server_event_kind::fatal);
}

TEST_CASE("newlines can be tolerated later") {
  server_protocol smtp(usual_options());
  smtp.greet();
  smtp.set_newlines(newline_mode::normalize);
  smtp.receive("NOOP\nMAIL FROM:<a@b>\n");
  CHECK(smtp.next().kind == server_event_kind::need_input);
  CHECK(smtp.output() == greeted + "250 Ok\r\n" + hello_first);
}

TEST_CASE("errors are counted for the driver") {
  scripted_session session({});
  CHECK(session.protocol().errors() == 0);
  session.feed(EHLO + "FOO\r\nBAR\r\n");
  CHECK(session.protocol().errors() == 2);
  session.feed(MAIL + RCPT + DATA + ".\r\n");
  CHECK(session.protocol().errors() == 0);
}

}  // namespace
}  // namespace relais::smtp
