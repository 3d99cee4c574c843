// Golden sequences: what a client says, what our server answers, octet by octet. Each row is run
// fed whole, byte by byte and split at every position.
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

using namespace std::string_literals;

TEST_CASE("a session in order") {
  const auto row = GENERATE(values<sequence_row>({
      {"EHLO, one message, QUIT", OPEN + "x\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq",
       "x\r\n|"},
      {"HELO clients see no enhanced codes", HELO + MAIL + RCPT + DATA + ".\r\n" + QUIT,
       helo + "250 Ok\r\n250 Ok\r\n" + start +
           "250 Ok: queued as 1\r\n221 mx.example closing connection\r\n",
       "hmcteq", "|"},
      {"two messages", OPEN + "x\r\n.\r\n" + MAIL + RCPT + DATA + "y\r\n.\r\n",
       open + queued + mail_ok + rcpt_ok + start + queued, "hmctemcte", "x\r\n|y\r\n|"},
      {"nothing said", "", "", ""},
      {"QUIT at once", QUIT, "221 mx.example closing connection\r\n", "q"},
      {"nothing is served behind QUIT", QUIT + "NOOP\r\n", "221 mx.example closing connection\r\n",
       "q"},
      {"null sender", EHLO + "MAIL FROM:<>\r\n", ehlo + mail_ok, "hm"},
      {"two recipients, one refused", EHLO + MAIL + RCPT + REFUSED + DATA + "x\r\n.\r\n",
       ehlo + mail_ok + rcpt_ok + denied + start + queued, "hmccte", "x\r\n|"},
      {"refused, then accepted", EHLO + MAIL + REFUSED + RCPT + DATA + ".\r\n",
       ehlo + mail_ok + denied + rcpt_ok + start + queued, "hmccte", "|"},
      {"message refused at its end", OPEN + "virus\r\n.\r\n" + DATA,
       open + "550 5.7.1 virus\r\n" + mail_first, "hmcte"},
      {"RSET ends the transaction", EHLO + MAIL + RCPT + "RSET\r\n" + DATA,
       ehlo + mail_ok + rcpt_ok + ok + mail_first, "hmcr"},
      {"RSET without a transaction", "RSET\r\n" + EHLO + "RSET\r\n", "250 Ok\r\n" + ehlo + ok, "h"},
      {"EHLO again ends the transaction", EHLO + MAIL + EHLO + RCPT,
       ehlo + mail_ok + ehlo + mail_first, "hmrh"},
      {"HELO behind EHLO ends enhanced codes", EHLO + HELO + "NOOP\r\n", ehlo + helo + "250 Ok\r\n",
       "hh"},
      {"a failed EHLO changes nothing", EHLO + MAIL + "EHLO\r\n" + RCPT,
       ehlo + mail_ok + "501 5.5.4 Say your host name\r\n" + rcpt_ok, "hmc"},
      {"NOOP, HELP, VRFY before EHLO", "NOOP\r\nHELP\r\nVRFY a\r\n",
       "250 Ok\r\n214 " + help.substr(10) + "252 " + vrfy.substr(10), ""},
      {"NOOP, HELP, VRFY within a transaction",
       EHLO + MAIL + "NOOP x y\r\nHELP DATA\r\nVRFY a@b\r\n" + RCPT,
       ehlo + mail_ok + ok + help + vrfy + rcpt_ok, "hmc"},
  }));
  check_rows({}, row);
}

TEST_CASE("commands out of order") {
  const auto row = GENERATE(values<sequence_row>({
      {"MAIL before EHLO", MAIL, hello_first, ""},
      {"RCPT before EHLO", RCPT, hello_first, ""},
      {"DATA before EHLO", DATA, hello_first, ""},
      {"RCPT before MAIL", EHLO + RCPT, ehlo + mail_first, "h"},
      {"DATA before MAIL", EHLO + DATA, ehlo + mail_first, "h"},
      {"nested MAIL", EHLO + MAIL + MAIL + RCPT + MAIL, ehlo + mail_ok + nested + rcpt_ok + nested,
       "hmc"},
      {"DATA without RCPT", EHLO + MAIL + DATA, ehlo + mail_ok + rcpt_first, "hm"},
      {"DATA when every RCPT was refused", EHLO + MAIL + REFUSED + DATA + RCPT,
       ehlo + mail_ok + denied + nobody + rcpt_ok, "hmcc"},
      {"a malformed RCPT is a refused one", EHLO + MAIL + "RCPT TO:<x\r\n" + DATA,
       ehlo + mail_ok + bad_recipient + nobody, "hm"},
      {"order comes before syntax", EHLO + "RCPT TO:<x\r\nDATA x\r\n",
       ehlo + mail_first + mail_first, "h"},
      {"MAIL refused, the batch behind it falls",
       EHLO + "MAIL FROM:<a@refused.example>\r\n" + RCPT + DATA + QUIT,
       ehlo + "550 5.7.1 no\r\n" + mail_first + mail_first + bye, "hmq"},
      {"errors in the middle of a batch",
       EHLO + MAIL + RCPT + "FOO\r\nMAIL\r\n" + RCPT + DATA + "x\r\n.\r\n" + QUIT,
       ehlo + mail_ok + rcpt_ok + unknown + nested + rcpt_ok + start + queued + bye, "hmccteq",
       "x\r\n|"},
      {"too many recipients keeps the transaction",
       EHLO + MAIL + RCPT + RCPT + RCPT + DATA + ".\r\n",
       ehlo + mail_ok + rcpt_ok + rcpt_ok +
           "452 4.5.3 Too many recipients, send the others in another transaction\r\n" + start +
           queued,
       "hmcccte", "|"},
  }));
  session_rules rules;
  rules.recipients = 2;
  check_rows(rules, row);
}

TEST_CASE("tolerance and syntax of commands") {
  const auto row = GENERATE(values<sequence_row>({
      {"lower case",
       "ehlo c\r\nmail from:<a@b> size=1 body=7bit\r\nrcpt to:<c@d>\r\ndata\r\n.\r\nquit\r\n",
       open + queued + bye, "hmcteq", "|"},
      {"blanks around", "EHLO  c \r\nMAIL  FROM: <a@b> \r\nRCPT\tTO:\t<c@d>\t\r\nDATA \r\n.\r\n",
       open + queued, "hmcte", "|"},
      {"no brackets", EHLO + "MAIL FROM:a@b SIZE=5\r\nRCPT TO: c@d\r\n", ehlo + mail_ok + rcpt_ok,
       "hmc"},
      {"source route", EHLO + "MAIL FROM:<@x,@y:a@b>\r\nRCPT TO:<@z:c@d>\r\n",
       ehlo + mail_ok + rcpt_ok, "hmc"},
      {"postmaster", EHLO + MAIL + "RCPT TO:<postmaster>\r\nRCPT TO:<Postmaster>\r\n",
       ehlo + mail_ok + rcpt_ok + rcpt_ok, "hmcc"},
      {"odd host names", "EHLO my_printer\r\nHELO [192.0.2.1]\r\nHELO -x.\r\nHELO My Printer\r\n",
       "250-mx.example greets my_printer\r\n" + ehlo.substr(ehlo.find("250-PIPE")) +
           "250 mx.example greets [192.0.2.1]\r\n250 mx.example greets -x.\r\n250 mx.example "
           "greets My Printer\r\n",
       "hhhh"},
      {"hello without a name", "HELO\r\nEHLO \r\n",
       "501 Say your host name\r\n501 Say your host name\r\n", ""},
      {"bad senders",
       EHLO + "MAIL FROM:\r\nMAIL FROM:<a@b\r\nMAIL FROM:<a@b>x\r\nMAIL FROM:<a b@c>\r\nMAIL "
              "FROM:<a>\r\n",
       ehlo + bad_sender + bad_sender + bad_sender + bad_sender +
           "553 5.1.7 <a>: Sender address needs a domain\r\n",
       "h"},
      {"MAIL without FROM", EHLO + "MAIL\r\nMAIL <a@b>\r\nMAIL TO:<a@b>\r\n",
       ehlo + bad_argument + bad_argument + bad_argument, "h"},
      {"bad recipients",
       EHLO + MAIL +
           "RCPT TO:<>\r\nRCPT TO:<a@b>,<c@d>\r\nRCPT TO:\"a\"@b@c\r\nRCPT FROM:<a@b>\r\n",
       ehlo + mail_ok + bad_recipient + bad_recipient + bad_recipient + bad_argument, "hm"},
      {"arguments where none is allowed",
       EHLO + MAIL + RCPT + "DATA x\r\nRSET x\r\nQUIT x\r\n" + DATA + ".\r\n",
       ehlo + mail_ok + rcpt_ok + no_argument + no_argument + no_argument + start + queued, "hmcte",
       "|"},
      {"VRFY needs an argument", EHLO + "VRFY\r\nEXPN x\r\n",
       ehlo + bad_argument + "502 5.5.1 EXPN is disabled\r\n", "h"},
      {"known, not implemented",
       EHLO + "STARTTLS\r\nAUTH PLAIN\r\nTURN\r\nETRN x\r\nsend x\r\nSOML x\r\nSAML x\r\n",
       ehlo + "502 5.5.1 STARTTLS is not offered\r\n502 5.5.1 AUTH is not offered\r\n" +
           not_implemented + not_implemented + not_implemented + not_implemented + not_implemented,
       "h"},
      {"no commands", EHLO + "\r\nFOO\r\n NOOP\r\nNOOPX\r\nMAILFROM:<a@b>\r\nGET /\r\n",
       ehlo + unknown + unknown + unknown + unknown + unknown + unknown, "h"},
      {"controls and high octets",
       EHLO +
           "NO\0OP\r\nNOOP \x01\r\nNOOP \x80\r\nVRFY \xc3\xa5\r\nEHLO a\x7f\r\nMAIL FROM:<a\0@b>\r\nNOOP\r\n"s,
       ehlo + octets + octets + octets +
           "553 5.6.7 Address is not ASCII: SMTPUTF8 must be declared\r\n" + octets + octets + ok,
       "h"},
      {"UTF-8 addresses",
       EHLO + "MAIL FROM:<\xc3\xa5@b>\r\n" + MAIL +
           "RCPT TO:<a@\xc3\xa5.dk>\r\nRCPT TO:<a\xff@b>\r\n",
       ehlo + utf8 + mail_ok + utf8 + bad_recipient, "hm"},
  }));
  check_rows({}, row);
}

TEST_CASE("parameters of MAIL and RCPT") {
  const auto row = GENERATE(values<sequence_row>({
      {"SIZE and BODY", EHLO + "MAIL FROM:<a@b> BODY=8BITMIME  SIZE=1000\r\n", ehlo + mail_ok,
       "hm"},
      {"SIZE at the limit", EHLO + "MAIL FROM:<a@b> SIZE=52428800\r\n",
       ehlo + "452 4.3.1 Not enough storage for a message of that size, try again later\r\n", "hm"},
      {"SIZE above the limit", EHLO + "MAIL FROM:<a@b> SIZE=52428801\r\n" + MAIL,
       ehlo + size_too_big + mail_ok, "hm"},
      {"SIZE beyond 63 bits",
       EHLO + "MAIL FROM:<a@b> SIZE=9223372036854775808\r\nMAIL FROM:<a@b> "
              "SIZE=99999999999999999999\r\n",
       ehlo + size_too_big + size_too_big, "h"},
      {"SIZE with garbage",
       EHLO + "MAIL FROM:<a@b> SIZE\r\nMAIL FROM:<a@b> SIZE=\r\nMAIL FROM:<a@b> SIZE=-1\r\nMAIL "
              "FROM:<a@b> SIZE=1k\r\n"
              "MAIL FROM:<a@b> SIZE=1=1\r\nMAIL FROM:<a@b> SIZE=100000000000000000000\r\n",
       ehlo + bad_parameter + bad_parameter + bad_parameter + bad_parameter + bad_parameter +
           bad_parameter,
       "h"},
      {"BODY with garbage", EHLO + "MAIL FROM:<a@b> BODY\r\nMAIL FROM:<a@b> BODY=9BIT\r\n",
       ehlo + bad_parameter + bad_parameter, "h"},
      {"repeated",
       EHLO + "MAIL FROM:<a@b> SIZE=1 SIZE=1\r\nMAIL FROM:<a@b> BODY=7BIT body=7BIT\r\n",
       ehlo + bad_parameter + bad_parameter, "h"},
      {"too big and malformed: malformed", EHLO + "MAIL FROM:<a@b> SIZE=52428801 SIZE=1\r\n",
       ehlo + bad_parameter, "h"},
      {"malformed",
       EHLO + "MAIL FROM:<a@b> =\r\nMAIL FROM:<a@b> -X=1\r\nMAIL FROM:<a@b> X=\xc3\xa5\r\n",
       ehlo + bad_parameter + bad_parameter + bad_parameter, "h"},
      {"not offered",
       EHLO +
           "MAIL FROM:<a@b> AUTH=<>\r\nMAIL FROM:<a@b> REQUIRETLS\r\nMAIL FROM:<a@b> HOLDFOR=1\r\n",
       ehlo + not_offered + not_offered + not_offered, "h"},
      {"unknown", EHLO + "MAIL FROM:<a@b> SIZE=1 XYZ\r\n", ehlo + no_parameter, "h"},
      {"RCPT knows none of MAIL",
       EHLO + MAIL + "RCPT TO:<c@d> SIZE=1\r\nRCPT TO:<c@d> =\r\n" + DATA,
       ehlo + mail_ok + no_parameter + bad_parameter + nobody, "hm"},
      {"HELO clients have none", HELO + "MAIL FROM:<a@b> SIZE=1\r\n",
       helo + "555 Parameter of an extension that is not offered\r\n", "h"},
  }));
  check_rows({}, row);
}

TEST_CASE("newlines that smuggle: refused where they are not tolerated") {
  const auto row = GENERATE(values<sequence_row>({
      {"LF.LF", OPEN + "x\n.\nMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"LF.CRLF", OPEN + "x\n.\r\nMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"CRLF.LF", OPEN + "x\r\n.\nMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"CR.CR", OPEN + "x\r.\rMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"CR.CRLF", OPEN + "x\r.\r\nMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"CRLF.CR", OPEN + "x\r\n.\rMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"CRLF.CRCRLF", OPEN + "x\r\n.\r\r\nMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare,
       "hmctef"},
      {"LF.CR", OPEN + "x\n.\rMAIL FROM:<evil@b>\r\n.\r\n" + QUIT, open + bare, "hmctef"},
      {"a command ended by LF", EHLO + "NOOP\n" + QUIT, ehlo + bare, "hf"},
      {"a command with a CR", EHLO + "NOOP\rRSET\r\n" + QUIT, ehlo + bare, "hf"},
      {"CRCRLF ends no command", EHLO + "NOOP\r\r\n", ehlo + bare, "hf"},
      {"the tail of a long line is no command, LF or not", string(3000, 'x') + "\nQUIT\r\nNOOP\r\n",
       "500 Command line too long\r\n250 Ok\r\n", ""},
  }));
  check_rows({}, row);
}

TEST_CASE("newlines that smuggle: normalized where they are tolerated") {
  session_rules rules;
  rules.options.newlines = newline_mode::normalize;
  const auto row = GENERATE(values<sequence_row>({
      {"LF.LF", OPEN + "x\n.\nM\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq",
       "x\r\n.\r\nM\r\n|"},
      {"LF.CRLF", OPEN + "x\n.\r\nM\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq",
       "x\r\n.\r\nM\r\n|"},
      {"CRLF.LF", OPEN + "x\r\n.\nM\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq",
       "x\r\n.\r\nM\r\n|"},
      {"CR.CR", OPEN + "x\r.\rM\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq", "x . M\r\n|"},
      {"CRLF.CR", OPEN + "x\r\n.\rM\r\n.\r\n" + QUIT, open + queued + bye, "hmcteq",
       "x\r\n M\r\n|"},
      {"commands ended by LF", "EHLO c\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nx\n.\r\n", open,
       "hmct"},
      {"a CR in a command is a blank", "NOOP\rx\r\nNOOP\r\r\n", "250 Ok\r\n250 Ok\r\n", ""},
      {"a long line ends at LF", string(3000, 'x') + "\nNOOP\n",
       "500 Command line too long\r\n250 Ok\r\n", ""},
  }));
  check_rows(rules, row);
}

TEST_CASE("faults of content are told at its true end") {
  session_rules rules;
  rules.options.limits.message_size = 2000;
  rules.options.limits.text_line = 1000;
  const string tell =
      ehlo.substr(0, ehlo.find("52428800")) + "2000" + ehlo.substr(ehlo.find("52428800") + 8);
  const string opened = tell + mail_ok + rcpt_ok + start;
  const auto line = string(998, 'a') + "\r\n";
  const auto row = GENERATE_COPY(values<sequence_row>({
      {"exactly the limit", OPEN + line + line + ".\r\n" + QUIT, opened + queued + bye, "hmcteq",
       line + line + "|"},
      {"one line more", OPEN + line + line + "\r\n.\r\n" + QUIT, opened + too_big + bye, "hmcteq"},
      {"line too long", OPEN + "a" + line + ".\r\n" + QUIT, opened + long_text + bye, "hmcteq"},
      {"NUL", OPEN + "a\0b\r\n.\r\n"s + QUIT, opened + has_nul + bye, "hmcteq"},
      {"NUL behind a dot ends nothing", OPEN + "a\r\n.\0\r\n.\r\n"s + QUIT, opened + has_nul + bye,
       "hmcteq"},
      {"the next message is judged anew",
       OPEN + "a\0b\r\n.\r\n"s + MAIL + RCPT + DATA + "x\r\n.\r\n",
       opened + has_nul + mail_ok + rcpt_ok + start + queued, "hmctemcte", "x\r\n|"},
  }));
  check_rows(rules, row);
}

TEST_CASE("limits of a session") {
  session_rules rules;
  rules.options.limits.command_line = 512;
  rules.options.limits.errors = 2;
  rules.options.limits.message_size = 0;
  const string hello =
      ehlo.substr(0, ehlo.find("SIZE")) + "SIZE" + ehlo.substr(ehlo.find("SIZE") + 13);
  const auto row = GENERATE_COPY(values<sequence_row>({
      {"SIZE without a limit", EHLO + "MAIL FROM:<a@b> SIZE=4000000\r\n", hello + mail_ok, "hm"},
      {"a line of 512 is never too long", "NOOP " + string(505, 'x') + "\r\n", "250 Ok\r\n", ""},
      {"a line of 513 is", "NOOP " + string(506, 'x') + "\r\nNOOP\r\n",
       "500 Command line too long\r\n250 Ok\r\n", ""},
      {"a much longer line is one error", EHLO + string(2500, 'x') + "\r\n" + QUIT,
       hello + too_long + bye, "hq"},
      {"the third error ends the session", EHLO + "A\r\nB\r\nC\r\n" + QUIT,
       hello + unknown + unknown + too_many_errors, "hf"},
      {"refused decisions count", EHLO + MAIL + REFUSED + REFUSED + REFUSED,
       hello + mail_ok + denied + denied + too_many_errors, "hmcccf"},
      {"refused content counts", EHLO + "A\r\nB\r\n" + MAIL + RCPT + DATA + "virus\r\n.\r\n",
       hello + unknown + unknown + mail_ok + rcpt_ok + start + too_many_errors, "hmctef"},
      {"an accepted message sets the count back",
       EHLO + "A\r\nB\r\n" + MAIL + RCPT + DATA + ".\r\nA\r\nB\r\n",
       hello + unknown + unknown + mail_ok + rcpt_ok + start + queued + unknown + unknown, "hmcte",
       "|"},
      {"recipients beyond the limit do not count",
       EHLO + MAIL + RCPT + RCPT + RCPT + RCPT + RCPT + "A\r\n",
       hello + mail_ok + rcpt_ok + rcpt_ok + rcpt_ok +
           "452 4.5.3 Too many recipients, send the others in another transaction\r\n"
           "452 4.5.3 Too many recipients, send the others in another transaction\r\n" +
           unknown,
       "hmccccc"},
      {"a 421 by decision ends the session",
       EHLO + MAIL + "RCPT TO:<a@draining.example>\r\n" + QUIT,
       hello + mail_ok + "421 4.3.2 mx.example Service is shutting down, try again later\r\n",
       "hmcf"},
      {"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n", "521 This is an SMTP server\r\n", "f"},
      {"HTTP later in the session", EHLO + "POST /x HTTP/1.0\r\n" + MAIL, hello + foreign, "hf"},
      {"TLS", "\x16\x03\x01\x02", "521 This is an SMTP server\r\n", "f"},
      {"almost TLS", "\x16\r\nNOOP\r\n",
       "500 Command holds octets that are not printable ASCII\r\n250 Ok\r\n", ""},
  }));
  rules.recipients = 3;
  check_rows(rules, row);
}

TEST_CASE("greetings that refuse") {
  session_rules rules;
  SECTION("behind 554 only QUIT is served") {
    rules.refusal = reply_id::no_service;
    check_every_way(rules, EHLO + MAIL + "FOO\r\nNOOP\r\n" + QUIT,
                    {"554 No SMTP service here\r\n" + sequence + sequence + sequence + sequence +
                         "221 mx.example closing connection\r\n",
                     "q", ""});
  }
  SECTION("421 and 521 are the end") {
    rules.refusal = reply_id::too_many_connections;
    CHECK(run(rules, EHLO, {}).sent ==
          "421 mx.example Too many connections from your address, try again later\r\n");
    CHECK(run(rules, EHLO, {}).told == "f");
    rules.refusal = reply_id::never_accepts_mail;
    CHECK(run(rules, EHLO, {}).told == "f");
  }
}

}  // namespace
}  // namespace relais::smtp
