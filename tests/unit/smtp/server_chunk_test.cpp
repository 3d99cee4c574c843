// BDAT (RFC 3030): chunks of counted octets, in order and out of it. Whatever is refused, its
// octets are dropped, exactly as many, and never run as commands.
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

using namespace std::string_literals;

const string TO = EHLO + MAIL + RCPT;
const string to = ehlo + mail_ok + rcpt_ok;
const string BINARY = EHLO + "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" + RCPT;
const string in_progress = "503 5.5.1 BDAT is under way: send the last chunk or RSET\r\n";
const string failed = "503 5.5.1 The transaction has failed: send RSET\r\n";

string took(unsigned size) {
  return "250 2.0.0 " + std::to_string(size) + " octets received\r\n";
}

TEST_CASE("chunks in order") {
  const auto row = GENERATE(values<sequence_row>({
      {"one chunk", TO + "BDAT 3 LAST\r\nx\r\n" + QUIT, to + queued + bye, "hmcteq", "x\r\n|"},
      {"several", TO + "BDAT 4\r\nx\r\nyBDAT 2\r\n\r\nBDAT 3 LAST\r\nz\r\n" + QUIT,
       to + took(4) + took(2) + queued + bye, "hmcteq", "x\r\ny\r\nz\r\n|"},
      {"zero octets last", TO + "BDAT 3\r\nx\r\nBDAT 0 LAST\r\n" + QUIT,
       to + took(3) + queued + bye, "hmcteq", "x\r\n|"},
      {"zero octets first", TO + "BDAT 0\r\nBDAT 3 LAST\r\nx\r\n", to + took(0) + queued, "hmcte",
       "x\r\n|"},
      {"nothing at all", TO + "BDAT 0 LAST\r\n" + QUIT, to + queued + bye, "hmcteq", "|"},
      {"lower case and blanks", TO + "bdat\t3  last \r\nx\r\n", to + queued, "hmcte", "x\r\n|"},
      {"a last line without its end gets one", TO + "BDAT 1 LAST\r\nx" + QUIT, to + queued + bye,
       "hmcteq", "x\r\n|"},
      {"a line end cut in two", TO + "BDAT 2\r\nx\rBDAT 2 LAST\r\n\ny" + QUIT,
       to + took(2) + queued + bye, "hmcteq", "x\r\ny\r\n|"},
      {"dots mean nothing", TO + "BDAT 11 LAST\r\n.\r\n..x\r\n.\r\n" + QUIT, to + queued + bye,
       "hmcteq", ".\r\n..x\r\n.\r\n|"},
      {"what looks like commands is content", TO + "BDAT 12 LAST\r\nQUIT\r\nRSET\r\n" + QUIT,
       to + queued + bye, "hmcteq", "QUIT\r\nRSET\r\n|"},
      {"two messages", TO + "BDAT 3 LAST\r\nx\r\n" + MAIL + RCPT + "BDAT 3 LAST\r\ny\r\n",
       to + queued + mail_ok + rcpt_ok + queued, "hmctemcte", "x\r\n|y\r\n|"},
      {"chunks, then DATA for the next message",
       TO + "BDAT 3 LAST\r\nx\r\n" + MAIL + RCPT + DATA + "y\r\n.\r\n",
       to + queued + mail_ok + rcpt_ok + start + queued, "hmctemcte", "x\r\n|y\r\n|"},
      {"NOOP between chunks", TO + "BDAT 3\r\nx\r\nNOOP\r\nBDAT 0 LAST\r\n",
       to + took(3) + ok + queued, "hmcte", "x\r\n|"},
      {"RSET between chunks", TO + "BDAT 3\r\nx\r\nRSET\r\n" + MAIL, to + took(3) + ok + mail_ok,
       "hmctrm"},
      {"EHLO between chunks", TO + "BDAT 3\r\nx\r\n" + EHLO + MAIL, to + took(3) + ehlo + mail_ok,
       "hmctrhm"},
      {"QUIT between chunks", TO + "BDAT 3\r\nx\r\n" + QUIT, to + took(3) + bye, "hmctq"},
      {"HELO clients may", HELO + MAIL + RCPT + "BDAT 3 LAST\r\nx\r\n",
       helo + "250 Ok\r\n250 Ok\r\n250 Ok: queued as 1\r\n", "hmcte", "x\r\n|"},
      {"a message refused at its end", TO + "BDAT 5 LAST\r\nvirusRSET\r\n" + MAIL,
       to + "550 5.7.1 virus\r\n" + ok + mail_ok, "hmctem"},
  }));
  check_rows({}, row);
}

TEST_CASE("chunks out of order are dropped") {
  const auto row = GENERATE(values<sequence_row>({
      {"before EHLO", "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", hello_first + "250 Ok\r\n", ""},
      {"before MAIL", EHLO + "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", ehlo + mail_first + ok, "h"},
      {"before RCPT", EHLO + MAIL + "BDAT 6 LAST\r\nQUIT\r\n" + RCPT,
       ehlo + mail_ok + rcpt_first + rcpt_ok, "hmc"},
      {"every RCPT was refused",
       EHLO + MAIL + REFUSED + "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
       ehlo + mail_ok + denied + nobody + nobody + ok, "hmc"},
      {"behind the last one", TO + "BDAT 1 LAST\r\nxBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
       to + queued + mail_first + ok, "hmcte", "x\r\n|"},
      {"MAIL, RCPT, DATA between chunks",
       TO + "BDAT 1\r\nx" + MAIL + RCPT + DATA + "AUTH PLAIN\r\nBDAT 0 LAST\r\n",
       to + took(1) + in_progress + in_progress + in_progress +
           "502 5.5.1 AUTH is not offered\r\n" + queued,
       "hmcte", "x\r\n|"},
      {"no size", TO + "BDAT\r\nNOOP\r\n", to + bad_argument, "hmcf"},
      {"no number", TO + "BDAT x LAST\r\nNOOP\r\n", to + bad_argument, "hmcf"},
      {"a negative size", TO + "BDAT -1 LAST\r\nNOOP\r\n", to + bad_argument, "hmcf"},
      {"another word than LAST", TO + "BDAT 1 FIRST\r\nNOOP\r\n", to + bad_argument, "hmcf"},
      {"one word too many", TO + "BDAT 1 LAST x\r\nNOOP\r\n", to + bad_argument, "hmcf"},
      {"more than 63 bits", TO + "BDAT 9223372036854775808 LAST\r\nNOOP\r\n", to + bad_argument,
       "hmcf"},
      {"no size, out of order", EHLO + "BDAT x\r\nNOOP\r\n", ehlo + mail_first, "hf"},
      {"DATA for binary content", BINARY + DATA + "BDAT 1 LAST\r\nx",
       to + "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n" + queued, "hmcte", "x|"},
  }));
  check_rows({}, row);
}

TEST_CASE("chunks are dropped where they are not offered") {
  session_rules rules;
  rules.options.extensions.remove(extension::chunking);
  const auto hello = without(without(ehlo, "CHUNKING"), "BINARYMIME");
  check_every_way(rules,
                  EHLO + "BDAT 6 LAST\r\nQUIT\r\nBDAT x\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n",
                  {greeted + hello + not_implemented + not_implemented + not_offered, "h", ""});
}

TEST_CASE("a refused chunk fails the transaction") {
  session_rules rules;
  rules.options.limits.message_size = 10;
  const auto hello = with(without(ehlo, "SIZE"), "SIZE 10", "8BITMIME") + mail_ok + rcpt_ok;
  SECTION("too big at once") {
    check_every_way(rules, TO + "BDAT 11 LAST\r\n012345678\r\n" + MAIL,
                    {greeted + hello + too_big + mail_ok, "hmctem", ""});
  }
  SECTION("too big in the sum; what is pipelined behind it falls") {
    check_every_way(
        rules,
        TO + "BDAT 6\r\n0123\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n" + MAIL + RCPT + DATA +
            "RSET\r\n" + MAIL,
        {greeted + hello + took(6) + too_big + failed + failed + failed + failed + ok + mail_ok,
         "hmctem", ""});
  }
  SECTION("EHLO sets it back as well") {
    check_every_way(rules, TO + "BDAT 11\r\n012345678\r\n" + EHLO + MAIL,
                    {greeted + hello + too_big +
                         hello.substr(0, hello.size() - mail_ok.size() - rcpt_ok.size()) + mail_ok,
                     "hmctehm", ""});
  }
  SECTION("exactly the limit") {
    check_every_way(rules, TO + "BDAT 6\r\n0123\r\nBDAT 4 LAST\r\n67\r\n",
                    {greeted + hello + took(6) + queued, "hmcte", "0123\r\n67\r\n|"});
  }
  SECTION("a line end that is added counts") {
    check_every_way(rules, TO + "BDAT 9 LAST\r\n012345678" + QUIT,
                    {greeted + hello + too_big + bye, "hmcteq", ""});
  }
  SECTION("a giant is dropped octet by octet, without memory") {
    scripted_session session(rules);
    session.feed(TO + "BDAT 9223372036854775807 LAST\r\n");
    for (int i = 0; i < 1000; ++i) session.feed(string(1000, 'x'));
    CHECK(session.protocol().in_content());
    CHECK(session.sent() == greeted + hello);
  }
}

TEST_CASE("the driver refuses the first chunk") {
  session_rules rules;
  rules.data_refusal = reply_id::no_storage;
  const string full = "452 4.3.1 Not enough storage, try again later\r\n";
  SECTION("the rest of the message is dropped, too") {
    check_every_way(rules,
                    TO + "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n" + RCPT + "RSET\r\n" + MAIL,
                    {greeted + to + full + failed + failed + ok + mail_ok, "hmctrm", ""});
  }
  SECTION("DATA refused keeps the transaction") {
    check_every_way(rules, TO + DATA + RCPT, {greeted + to + full + rcpt_ok, "hmctc", ""});
  }
  SECTION("421 is the end at once") {
    rules.data_refusal = reply_id::draining;
    CHECK(run(rules, TO + "BDAT 6\r\nQUIT\r\n", {}) ==
          result_of_run{
              greeted + to + "421 4.3.2 mx.example Service is shutting down, try again later\r\n",
              "hmctf", ""});
  }
}

TEST_CASE("content of chunks is cleaned like that of DATA") {
  const auto row = GENERATE(values<sequence_row>({
      {"bare LF", TO + "BDAT 4 LAST\r\na\nb\n" + QUIT, to + queued + bye, "hmcteq", "a\r\nb\r\n|"},
      {"bare CR", TO + "BDAT 4 LAST\r\na\rb\r" + QUIT, to + queued + bye, "hmcteq", "a b \r\n|"},
      {"CR, then another chunk", TO + "BDAT 2\r\na\rBDAT 1 LAST\r\nb" + QUIT,
       to + took(2) + queued + bye, "hmcteq", "a b\r\n|"},
      {"NUL", TO + "BDAT 3 LAST\r\na\0b"s + QUIT, to + has_nul + bye, "hmcteq"},
  }));
  session_rules rules;
  rules.options.newlines = newline_mode::normalize;
  check_rows(rules, row);
}

TEST_CASE("content of chunks is refused like that of DATA") {
  const auto row = GENERATE(values<sequence_row>({
      {"bare LF", TO + "BDAT 4 LAST\r\na\nb\n" + QUIT, to + bare, "hmctef"},
      {"bare CR", TO + "BDAT 3 LAST\r\na\rb" + QUIT, to + bare, "hmctef"},
      {"a CR at the very end", TO + "BDAT 2 LAST\r\na\r" + QUIT, to + bare, "hmctef"},
      {"a CR at the end, then nothing more", TO + "BDAT 2\r\na\rBDAT 0 LAST\r\n" + QUIT,
       to + took(2) + bare, "hmctef"},
      {"told at the end of its chunk", TO + "BDAT 2\r\na\nBDAT 0 LAST\r\n" + QUIT, to + bare,
       "hmctef"},
      {"NUL fails the transaction", TO + "BDAT 2\r\na\0BDAT 0 LAST\r\nRSET\r\n"s + QUIT,
       to + has_nul + failed + ok + bye, "hmcteq"},
      {"a long line", TO + "BDAT 66000 LAST\r\n" + string(66000, 'x') + QUIT, to + long_text + bye,
       "hmcteq"},
  }));
  if (row.input.size() > 10000) {
    DYNAMIC_SECTION(row.name) {
      CHECK(run({}, row.input, {100}) == result_of_run{greeted + row.output, row.told, ""});
    }
  } else {
    check_rows({}, row);
  }
}

TEST_CASE("binary content is opaque") {
  const string opaque = "a\nb\rc\0d\r\n.\r\n"s + string(70000, 'x');
  const auto input = BINARY + "BDAT 12\r\n" + opaque.substr(0, 12) + "BDAT 70000 LAST\r\n" +
                     opaque.substr(12) + QUIT;
  for (const std::size_t cut : {1u, 70u, 80u, 90u, 95u, 100u, 70000u}) {
    CAPTURE(cut);
    CHECK(run({}, input, {cut}) ==
          result_of_run{greeted + to + took(12) + queued + bye, "hmcteq", opaque + "|"});
  }
  // Nothing of it concerns the next message.
  CHECK(run({}, BINARY + "BDAT 1 LAST\r\n\n" + MAIL + RCPT + "BDAT 1 LAST\r\n\n", {}).sent ==
        greeted + to + queued + mail_ok + rcpt_ok + bare);
}

TEST_CASE("chunks are counted as commands of their own") {
  scripted_session session({});
  session.feed(TO + "BDAT 1\r\nxBDAT 0 LAST\r\nBDAT 1\r\ny");
  const auto& counts = session.protocol().counts();
  CHECK(counts.bdat.total == 3);
  CHECK(counts.bdat.ok == 2);
  CHECK(counts.data.total == 0);
  CHECK(session.protocol().at_command_boundary());
  session.feed("BDAT 2\r\nz");
  CHECK_FALSE(session.protocol().at_command_boundary());
  CHECK(session.protocol().in_content());
  session.protocol().close_with(reply_id::idle_timeout);
  CHECK(session.protocol().next().kind == server_event_kind::fatal);
}

}  // namespace
}  // namespace relais::smtp
