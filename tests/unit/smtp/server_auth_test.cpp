// AUTH (RFC 4954), STARTTLS (RFC 3207), XCLIENT and XFORWARD on the wire.
#include "base/text.hpp"
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

using namespace std::string_literals;

const string SECRET = base64_encode("\0u\0secret"s);
const string WRONG = base64_encode("\0u\0guess"s);
const string welcome = "235 2.7.0 Authentication successful\r\n";
const string wrong = "535 5.7.8 Authentication credentials invalid\r\n";
const string undecodable = "501 5.5.2 Response is no valid base64\r\n";
const string cancelled = "501 5.7.0 Authentication cancelled\r\n";
const string no_mechanism = "504 5.5.4 Mechanism not supported\r\n";
const string demanded = "530 5.7.0 Authentication required\r\n";
const string starttls_first = "530 5.7.0 Must issue a STARTTLS command first\r\n";
const string in_sync = "554 5.5.0 Protocol synchronization error\r\n";
const string ready = "220 2.0.0 mx.example Ready to start TLS\r\n";
const string auth_ehlo = with(ehlo, "AUTH PLAIN LOGIN SERVER", "LIMITS");
const string tls_ehlo = with(ehlo, "STARTTLS", "LIMITS");
const string under_tls_ehlo = with(ehlo, "REQUIRETLS", "MT-PRIORITY");

session_rules with_auth() {
  session_rules rules;
  rules.options.mechanisms = {"PLAIN", "LOGIN", "SERVER"};
  return rules;
}

session_rules with_tls(tls_state how) {
  session_rules rules;
  rules.options.tls = how;
  return rules;
}

TEST_CASE("AUTH exchanges") {
  const auto row = GENERATE(values<sequence_row>({
      {"PLAIN at once", EHLO + "AUTH PLAIN " + SECRET + "\r\n" + MAIL,
       auth_ehlo + welcome + mail_ok, "ham"},
      {"lower case", EHLO + "auth plain " + SECRET + "\r\n", auth_ehlo + welcome, "ha"},
      {"PLAIN when asked", EHLO + "AUTH PLAIN\r\n" + SECRET + "\r\n" + MAIL,
       auth_ehlo + "334 \r\n" + welcome + mail_ok, "hapm"},
      {"LOGIN", EHLO + "AUTH LOGIN\r\ndQ==\r\nc2VjcmV0\r\n",
       auth_ehlo + "334 VXNlcg==\r\n334 UGFzcw==\r\n" + welcome, "happ"},
      {"LOGIN with the name at once", EHLO + "AUTH LOGIN dQ==\r\nc2VjcmV0\r\n",
       auth_ehlo + "334 UGFzcw==\r\n" + welcome, "hap"},
      {"an empty initial response", EHLO + "AUTH LOGIN =\r\nc2VjcmV0\r\n",
       auth_ehlo + "334 UGFzcw==\r\n" + welcome, "hap"},
      {"an empty response", EHLO + "AUTH LOGIN\r\n\r\nc2VjcmV0\r\n",
       auth_ehlo + "334 VXNlcg==\r\n334 UGFzcw==\r\n" + welcome, "happ"},
      {"wrong, then right", EHLO + "AUTH PLAIN " + WRONG + "\r\nAUTH PLAIN " + SECRET + "\r\n",
       auth_ehlo + wrong + welcome, "haa"},
      {"cancelled", EHLO + "AUTH LOGIN\r\n*\r\nNOOP\r\n",
       auth_ehlo + "334 VXNlcg==\r\n" + cancelled + ok, "hax"},
      {"commands amid the exchange are none",
       EHLO + "AUTH LOGIN\r\nQUIT\r\nRSET \r\nNOOP!\r\nNOOP\r\n",
       auth_ehlo + "334 VXNlcg==\r\n334 UGFzcw==\r\n" + wrong + unknown + ok, "happ"},
      {"no base64",
       EHLO + "AUTH LOGIN\r\nd Q==\r\nAUTH PLAIN x\r\nAUTH PLAIN A===\r\nAUTH PLAIN QR==\r\n",
       auth_ehlo + "334 VXNlcg==\r\n" + undecodable + undecodable + undecodable + undecodable,
       "hax"},
      {"8-bit octets in a response", EHLO + "AUTH LOGIN\r\n\xff\xff\xff\xff\r\n",
       auth_ehlo + "334 VXNlcg==\r\n" + undecodable, "hax"},
      {"the server speaks first", EHLO + "AUTH SERVER dQ==\r\n",
       auth_ehlo + "501 5.7.0 This mechanism takes no initial response\r\n", "ha"},
      {"unknown mechanism", EHLO + "AUTH CRAM-MD5\r\nAUTH PLAI\r\nAUTH PLAINX " + SECRET + "\r\n",
       auth_ehlo + no_mechanism + no_mechanism + no_mechanism, "h"},
      {"no mechanism", EHLO + "AUTH\r\nAUTH PLAIN a b\r\n", auth_ehlo + bad_argument + bad_argument,
       "h"},
      {"before EHLO", "AUTH PLAIN " + SECRET + "\r\n", hello_first, ""},
      {"twice", EHLO + "AUTH PLAIN " + SECRET + "\r\nAUTH PLAIN " + SECRET + "\r\n",
       auth_ehlo + welcome + "503 5.5.1 Already authenticated\r\n", "ha"},
      {"within a transaction", EHLO + MAIL + "AUTH PLAIN " + SECRET + "\r\n" + RCPT,
       auth_ehlo + mail_ok + "503 5.5.1 AUTH is not allowed inside a transaction\r\n" + rcpt_ok,
       "hmc"},
      {"EHLO again keeps it", EHLO + "AUTH PLAIN " + SECRET + "\r\n" + EHLO + "AUTH LOGIN\r\n",
       auth_ehlo + welcome + auth_ehlo + "503 5.5.1 Already authenticated\r\n", "hah"},
      {"a failed exchange leaves no trace", EHLO + "AUTH PLAIN " + WRONG + "\r\n" + MAIL,
       auth_ehlo + wrong + mail_ok, "ham"},
  }));
  check_rows(with_auth(), row);
}

TEST_CASE("long lines of AUTH") {
  const auto rules = with_auth();
  const string most(12288, 'A');
  const auto sent = [&](const string& input) { return run(rules, EHLO + input, {700}).sent; };
  const auto opened = greeted + auth_ehlo;
  CHECK(sent("AUTH PLAIN\r\n" + most + "\r\n") == opened + "334 \r\n" + wrong);
  CHECK(sent("AUTH PLAIN\r\n" + most + "A\r\nNOOP\r\n") ==
        opened + "334 \r\n500 5.5.6 Authentication exchange line is too long\r\n" + ok);
  CHECK(run(rules, EHLO + "AUTH PLAIN\r\n" + most + "A\r\nNOOP\r\n", {}).told == "hax");
  // A token may come in the command itself.
  CHECK(sent("AUTH PLAIN " + most.substr(0, 12276) + "\r\n") == opened + wrong);
  CHECK(sent("AUTH PLAIN " + most + "\r\nNOOP\r\n") == opened + too_long + ok);
  // The exchange is over: commands are as short as before.
  CHECK(sent("AUTH PLAIN\r\n*\r\nNOOP " + string(4000, 'x') + "\r\n") ==
        opened + "334 \r\n" + cancelled + too_long);
}

TEST_CASE("AUTH that is demanded") {
  auto rules = with_auth();
  rules.options.auth_required = true;
  const auto row = GENERATE(values<sequence_row>({
      {"MAIL without it", EHLO + MAIL + RCPT + "NOOP\r\n", auth_ehlo + demanded + mail_first + ok,
       "h"},
      {"even a bad MAIL", EHLO + "MAIL FROM:<\r\n", auth_ehlo + demanded, "h"},
      {"before EHLO", MAIL, hello_first, ""},
      {"with it", EHLO + "AUTH PLAIN " + SECRET + "\r\n" + MAIL, auth_ehlo + welcome + mail_ok,
       "ham"},
  }));
  check_rows(rules, row);
}

TEST_CASE("AUTH that is not offered") {
  const auto row = GENERATE(values<sequence_row>({
      {"AUTH", EHLO + "AUTH PLAIN " + SECRET + "\r\n", ehlo + "502 5.5.1 AUTH is not offered\r\n",
       "h"},
      {"the parameter of MAIL", EHLO + "MAIL FROM:<a@b> AUTH=<>\r\n", ehlo + not_offered, "h"},
  }));
  check_rows({}, row);
}

TEST_CASE("the announcement for old clients") {
  auto rules = with_auth();
  rules.options.legacy_auth_line = true;
  check_every_way(rules, EHLO, {greeted + with(auth_ehlo, "AUTH=PLAIN LOGIN", "LIMITS"), "h", ""});
}

TEST_CASE("STARTTLS") {
  const auto rules = with_tls(tls_state::offered);
  const auto row = GENERATE(values<sequence_row>({
      {"in order", EHLO + "STARTTLS\r\n" + WAIT + EHLO + MAIL,
       tls_ehlo + ready + under_tls_ehlo + mail_ok, "hshm"},
      {"EHLO is forgotten", EHLO + "STARTTLS\r\n" + WAIT + MAIL + "NOOP\r\n",
       tls_ehlo + ready + hello_first + "250 Ok\r\n", "hs"},
      {"twice", EHLO + "STARTTLS\r\n" + WAIT + EHLO + "STARTTLS\r\n",
       tls_ehlo + ready + under_tls_ehlo + "503 5.5.1 TLS is already active\r\n", "hsh"},
      {"with an argument", EHLO + "STARTTLS x\r\n", tls_ehlo + no_argument, "h"},
      {"before EHLO", "STARTTLS\r\n", hello_first, ""},
      {"within a transaction", EHLO + MAIL + "STARTTLS\r\n" + RCPT,
       tls_ehlo + mail_ok + "503 5.5.1 STARTTLS is not allowed inside a transaction\r\n" + rcpt_ok,
       "hmc"},
      {"REQUIRETLS only under TLS",
       EHLO + "MAIL FROM:<a@b> REQUIRETLS\r\nSTARTTLS\r\n" + WAIT + EHLO +
           "MAIL FROM:<a@b> REQUIRETLS\r\n",
       tls_ehlo + not_offered + ready + under_tls_ehlo + mail_ok, "hshm"},
  }));
  check_rows(rules, row);
}

TEST_CASE("STARTTLS that the driver cannot serve") {
  auto rules = with_tls(tls_state::offered);
  rules.starttls = reply_id::tls_unavailable;
  check_every_way(
      rules, EHLO + "STARTTLS\r\n" + WAIT + MAIL,
      {greeted + tls_ehlo + "454 4.7.0 TLS is not available for the moment\r\n" + mail_ok, "hsm",
       ""});
}

TEST_CASE("STARTTLS that is not offered") {
  check_every_way({}, EHLO + "STARTTLS\r\n",
                  {greeted + ehlo + "502 5.5.1 STARTTLS is not offered\r\n", "h", ""});
}

TEST_CASE("what is sent in clear behind STARTTLS is never run") {
  const auto rules = with_tls(tls_state::offered);
  const auto open_session = EHLO + "STARTTLS\r\n";
  const auto injected = open_session + "MAIL FROM:<evil@b>\r\n";
  // In one piece with the command: the handshake is refused.
  for (std::size_t cut = 1; cut < open_session.size(); ++cut) {
    CAPTURE(cut);
    CHECK(run(rules, injected, {cut}) == result_of_run{greeted + tls_ehlo + in_sync, "hf", ""});
  }
  SECTION("behind the reply, before the handshake") {
    server_protocol smtp(rules.options);
    smtp.greet();
    smtp.receive(open_session);
    REQUIRE(smtp.next().kind == server_event_kind::hello);
    REQUIRE(smtp.next().kind == server_event_kind::starttls);
    smtp.reply(reply_id::starttls_ready);
    smtp.output_written(smtp.output().size());
    smtp.receive("MAIL FROM:<evil@b>\r\n");
    CHECK_THROWS_AS(smtp.next(), std::logic_error);
    smtp.tls_started();
    CHECK(smtp.output() == "554 Protocol synchronization error\r\n");
    CHECK(smtp.next().kind == server_event_kind::fatal);
  }
}

TEST_CASE("TLS that is demanded") {
  const auto row = GENERATE(values<sequence_row>({
      {"what is served before", EHLO + "NOOP\r\nHELP\r\nRSET\r\n" + HELO + QUIT,
       tls_ehlo + ok + help + ok + helo + "221 mx.example closing connection\r\n", "hhq"},
      {"what is not",
       EHLO + MAIL + RCPT + DATA + "VRFY x\r\nAUTH PLAIN\r\nBDAT 6 LAST\r\nQUIT\r\nFOO\r\n",
       tls_ehlo + starttls_first + starttls_first + starttls_first + starttls_first +
           starttls_first + starttls_first + unknown,
       "h"},
      {"and behind it", EHLO + "STARTTLS\r\n" + WAIT + EHLO + MAIL,
       tls_ehlo + ready + under_tls_ehlo + mail_ok, "hshm"},
  }));
  check_rows(with_tls(tls_state::required), row);
}

TEST_CASE("what was said in clear is forgotten under TLS") {
  auto rules = with_auth();
  rules.options.tls = tls_state::offered;
  scripted_session session(rules);
  session.feed(EHLO);
  session.feed("AUTH PLAIN " + SECRET + "\r\n");
  CHECK(session.protocol().is_authenticated());
  session.feed("STARTTLS\r\n");
  CHECK_FALSE(session.protocol().is_authenticated());
  CHECK_FALSE(session.protocol().greeted_with_ehlo());
  CHECK(session.protocol().hello().empty());
  session.protocol().offer_mechanisms({"EXTERNAL"});
  session.feed(EHLO);
  CHECK(session.sent().find("250-AUTH EXTERNAL\r\n") != string::npos);
  CHECK(session.sent().ends_with("250 HELP\r\n"));
}

TEST_CASE("a challenge of any length is one line") {
  server_protocol smtp(with_auth().options);
  smtp.greet();
  smtp.receive(EHLO + "AUTH PLAIN\r\n");
  REQUIRE(smtp.next().kind == server_event_kind::hello);
  REQUIRE(smtp.next().kind == server_event_kind::auth);
  CHECK_FALSE(smtp.is_auth_under_way());
  smtp.output_written(smtp.output().size());
  smtp.challenge(string(3000, 'x'));
  CHECK(smtp.is_auth_under_way());
  CHECK_FALSE(smtp.at_command_boundary());
  CHECK(smtp.output() == "334 " + base64_encode(string(3000, 'x')) + "\r\n");
  CHECK_THROWS_AS(smtp.challenge("x"), std::logic_error);
}

TEST_CASE("XCLIENT and XFORWARD") {
  session_rules rules = with_auth();
  rules.options.extensions.add(extension::xclient).add(extension::xforward);
  const auto base = auth_ehlo.substr(0, auth_ehlo.size() - string("250 HELP\r\n").size());
  const auto hello = base +
                     "250-HELP\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
                     "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
  const auto row = GENERATE_COPY(values<sequence_row>({
      {"XCLIENT begins the session anew",
       EHLO + "AUTH PLAIN " + SECRET + "\r\nXCLIENT NAME=a.example ADDR=192.0.2.1\r\n" + MAIL +
           EHLO,
       hello + welcome + "220 mx.example ESMTP relais\r\n" + hello_first + hello, "haXh"},
      {"XCLIENT before EHLO", "XCLIENT NAME=[UNAVAILABLE]\r\n", "220 mx.example ESMTP relais\r\n",
       "X"},
      {"XFORWARD changes nothing", EHLO + "xforward name=a+2Bb HELO=c\r\n" + MAIL,
       hello + ok + mail_ok, "hWm"},
      {"within a transaction", EHLO + MAIL + "XCLIENT NAME=a\r\nXFORWARD NAME=a\r\n" + RCPT,
       hello + mail_ok +
           "503 5.5.1 Bad sequence of commands\r\n503 5.5.1 Bad sequence of commands\r\n" + rcpt_ok,
       "hmc"},
      {"malformed",
       EHLO +
           "XCLIENT\r\nXCLIENT NAME\r\nXCLIENT NAME=\r\nXCLIENT FOO=1\r\nXCLIENT NAME=a NAME=b\r\n"
           "XCLIENT NAME=a+0Ab\r\nXCLIENT NAME=a+\r\nXCLIENT NAME=a+ff\r\nXFORWARD LOGIN=a\r\n",
       hello + bad_argument + bad_argument + bad_argument + bad_argument + bad_argument +
           bad_argument + bad_argument + bad_argument + bad_argument,
       "h"},
  }));
  check_rows(rules, row);
}

TEST_CASE("attributes of XCLIENT are decoded") {
  session_rules rules;
  rules.options.extensions.add(extension::xclient);
  scripted_session session(rules);
  session.feed("XCLIENT NAME=a+2Bb login=j+C3+B6 DESTADDR=IPv6:2001:db8::1\r\n");
  CHECK(session.attributes() == "NAME=a+b LOGIN=j\xc3\xb6 DESTADDR=IPv6:2001:db8::1 ");
}

TEST_CASE("XCLIENT and XFORWARD of strangers") {
  check_every_way({}, EHLO + "XCLIENT NAME=a\r\nXFORWARD NAME=a\r\n",
                  {greeted + ehlo +
                       "550 5.7.0 Insufficient authorization\r\n"
                       "550 5.7.0 Insufficient authorization\r\n",
                   "h", ""});
}

}  // namespace
}  // namespace relais::smtp
