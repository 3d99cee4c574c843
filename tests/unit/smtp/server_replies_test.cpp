// Each reply that the protocol gives by itself, provoked on the wire: one row for each. The rows of
// the table that need a decision are provoked by the tests of who decides.
#include "base/text.hpp"
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

using namespace std::string_literals;

struct reply_case {
  reply_id id;
  string input;
  string output;  ///< behind the greeting
  void (*arrange)(session_rules&) = nullptr;
};

const string SECRET = base64_encode("\0u\0secret"s);
const string auth_ehlo = with(ehlo, "AUTH PLAIN LOGIN SERVER", "LIMITS");
const string tls_ehlo = with(ehlo, "STARTTLS", "LIMITS");
const string chunk_open = ehlo + mail_ok + rcpt_ok;
const string CHUNK_OPEN = EHLO + MAIL + RCPT;
const string BINARY = EHLO + "MAIL FROM:<a@b> BODY=BINARYMIME\r\n" + RCPT;

void offer_auth(session_rules& rules) {
  rules.options.mechanisms = {"PLAIN", "LOGIN", "SERVER"};
}
void demand_auth(session_rules& rules) {
  offer_auth(rules);
  rules.options.auth_required = true;
}
void offer_tls(session_rules& rules) {
  rules.options.tls = tls_state::offered;
}
void demand_tls(session_rules& rules) {
  rules.options.tls = tls_state::required;
}
void offer_forward(session_rules& rules) {
  rules.options.extensions.add(extension::xforward).remove(extension::help);
}
void limit_size(session_rules& rules) {
  rules.options.limits.message_size = 10;
}
void limit_errors(session_rules& rules) {
  rules.options.limits.errors = 1;
}
void limit_lines(session_rules& rules) {
  rules.options.limits.text_line = 1000;
}

const string forward_ehlo = ehlo.substr(0, ehlo.find("250 HELP")) +
                            "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
const string size_ehlo = with(without(ehlo, "SIZE"), "SIZE 10", "8BITMIME");

void check_replies(const std::vector<reply_case>& rows) {
  for (const auto& row : rows) {
    DYNAMIC_SECTION(name_of(row.id)) {
      session_rules rules;
      if (row.arrange != nullptr) row.arrange(rules);
      const auto expected = run(rules, row.input, {});
      CHECK(expected.sent == greeted + row.output);
      check_every_way(rules, row.input, expected);
    }
  }
}

TEST_CASE("each reply that begins or ends a session") {
  check_replies({
      {reply_id::greeting, "", ""},
      {reply_id::bye, EHLO + QUIT, ehlo + bye},
      {reply_id::hello, HELO + EHLO, helo + ehlo},
      {reply_id::hello_needs_domain, "EHLO\r\n", "501 Say your host name\r\n"},
      {reply_id::ok, EHLO + "NOOP\r\nRSET\r\n", ehlo + ok + ok},
      {reply_id::help, EHLO + "HELP\r\n", ehlo + help},
      {reply_id::cannot_verify, EHLO + "VRFY joe\r\n", ehlo + vrfy},
      {reply_id::too_many_errors, EHLO + "FOO\r\nFOO\r\n", ehlo + unknown + too_many_errors,
       limit_errors},
      {reply_id::foreign_protocol, EHLO + "GET / HTTP/1.1\r\n", ehlo + foreign},
      {reply_id::bare_newline, EHLO + "NOOP\n", ehlo + bare},
  });
}

TEST_CASE("each reply to a command that cannot be served") {
  check_replies({
      {reply_id::unknown_command, EHLO + "FOO\r\n", ehlo + unknown},
      {reply_id::invalid_octets, EHLO + "NOOP \x01\r\n", ehlo + octets},
      {reply_id::line_too_long, EHLO + "NOOP " + string(2100, 'x') + "\r\n", ehlo + too_long},
      {reply_id::syntax_argument, EHLO + "MAIL <a@b>\r\n", ehlo + bad_argument},
      {reply_id::no_argument_allowed, EHLO + "RSET now\r\n", ehlo + no_argument},
      {reply_id::argument_not_implemented, EHLO + "HELP me\r\n",
       ehlo + "504 5.5.4 Argument not implemented\r\n"},
      {reply_id::expn_disabled, EHLO + "EXPN staff\r\n", ehlo + "502 5.5.1 EXPN is disabled\r\n"},
      {reply_id::not_implemented, EHLO + "TURN\r\nETRN x\r\n",
       ehlo + not_implemented + not_implemented},
      {reply_id::hello_first, MAIL, hello_first},
      {reply_id::nested_mail, EHLO + MAIL + MAIL, ehlo + mail_ok + nested},
      {reply_id::mail_first, EHLO + RCPT + DATA, ehlo + mail_first + mail_first},
      {reply_id::rcpt_first, EHLO + MAIL + DATA, ehlo + mail_ok + rcpt_first},
      {reply_id::no_valid_recipients, EHLO + MAIL + REFUSED + DATA,
       ehlo + mail_ok + denied + nobody},
  });
}

TEST_CASE("each reply to MAIL and RCPT") {
  check_replies({
      {reply_id::sender_ok, EHLO + MAIL, ehlo + mail_ok},
      {reply_id::recipient_ok, EHLO + MAIL + RCPT, ehlo + mail_ok + rcpt_ok},
      {reply_id::sender_syntax, EHLO + "MAIL FROM:<a@@b>\r\n", ehlo + bad_sender},
      {reply_id::recipient_syntax, EHLO + MAIL + "RCPT TO:<>\r\n", ehlo + mail_ok + bad_recipient},
      {reply_id::bad_parameter_value, EHLO + "MAIL FROM:<a@b> SIZE=x\r\n", ehlo + bad_parameter},
      {reply_id::unknown_parameter, EHLO + "MAIL FROM:<a@b> X=1\r\n", ehlo + no_parameter},
      {reply_id::parameter_not_offered, EHLO + "MAIL FROM:<a@b> AUTH=<>\r\n", ehlo + not_offered},
      {reply_id::size_too_big, EHLO + "MAIL FROM:<a@b> SIZE=11\r\n", size_ehlo + size_too_big,
       limit_size},
      {reply_id::sender_name_not_allowed, EHLO + "MAIL FROM:<root>\r\n",
       ehlo + "553 5.1.7 <root>: Sender address needs a domain\r\n"},
      {reply_id::recipient_name_not_allowed, EHLO + MAIL + "RCPT TO:<root>\r\n",
       ehlo + mail_ok + "553 5.1.3 <root>: Recipient address needs a domain\r\n"},
      {reply_id::utf8_not_declared, EHLO + "MAIL FROM:<\xc3\xa5@b>\r\n", ehlo + utf8},
  });
}

TEST_CASE("each reply to content") {
  check_replies({
      {reply_id::start_data, OPEN, open},
      {reply_id::queued, OPEN + ".\r\n", open + queued},
      {reply_id::chunk_received, CHUNK_OPEN + "BDAT 2\r\nxy",
       chunk_open + "250 2.0.0 2 octets received\r\n"},
      {reply_id::message_too_big, OPEN + "0123456789\r\n.\r\n",
       size_ehlo + mail_ok + rcpt_ok + start + too_big, limit_size},
      {reply_id::nul_in_content, OPEN + "\0\r\n.\r\n"s, open + has_nul},
      {reply_id::text_line_too_long, OPEN + string(999, 'x') + "\r\n.\r\n", open + long_text,
       limit_lines},
      {reply_id::bare_newline, OPEN + "x\n.\r\n.\r\n", open + bare},
      {reply_id::chunking_in_progress, CHUNK_OPEN + "BDAT 1\r\nx" + DATA,
       chunk_open + "250 2.0.0 1 octets received\r\n"
                    "503 5.5.1 BDAT is under way: send the last chunk or RSET\r\n"},
      {reply_id::chunking_failed, CHUNK_OPEN + "BDAT 1\r\n\0BDAT 6 LAST\r\nQUIT\r\n"s,
       chunk_open + has_nul + "503 5.5.1 The transaction has failed: send RSET\r\n"},
      {reply_id::binary_needs_chunking, BINARY + DATA,
       chunk_open + "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n"},
  });
}

TEST_CASE("each reply to AUTH") {
  check_replies({
      {reply_id::authenticated, EHLO + "AUTH PLAIN " + SECRET + "\r\n",
       auth_ehlo + "235 2.7.0 Authentication successful\r\n", offer_auth},
      {reply_id::auth_challenge, EHLO + "AUTH LOGIN\r\n", auth_ehlo + "334 VXNlcg==\r\n",
       offer_auth},
      {reply_id::auth_line_too_long, EHLO + "AUTH LOGIN\r\n" + string(12289, 'A') + "\r\n",
       auth_ehlo + "334 VXNlcg==\r\n500 5.5.6 Authentication exchange line is too long\r\n",
       offer_auth},
      {reply_id::base64_undecodable, EHLO + "AUTH PLAIN ?\r\n",
       auth_ehlo + "501 5.5.2 Response is no valid base64\r\n", offer_auth},
      {reply_id::auth_cancelled, EHLO + "AUTH LOGIN\r\n*\r\n",
       auth_ehlo + "334 VXNlcg==\r\n501 5.7.0 Authentication cancelled\r\n", offer_auth},
      {reply_id::mechanism_unknown, EHLO + "AUTH NTLM\r\n",
       auth_ehlo + "504 5.5.4 Mechanism not supported\r\n", offer_auth},
      {reply_id::auth_not_offered, EHLO + "AUTH PLAIN\r\n",
       ehlo + "502 5.5.1 AUTH is not offered\r\n"},
      {reply_id::auth_twice, EHLO + "AUTH PLAIN " + SECRET + "\r\nAUTH PLAIN\r\n",
       auth_ehlo + "235 2.7.0 Authentication successful\r\n503 5.5.1 Already authenticated\r\n",
       offer_auth},
      {reply_id::auth_in_transaction, EHLO + MAIL + "AUTH PLAIN\r\n",
       auth_ehlo + mail_ok + "503 5.5.1 AUTH is not allowed inside a transaction\r\n", offer_auth},
      {reply_id::auth_required, EHLO + MAIL, auth_ehlo + "530 5.7.0 Authentication required\r\n",
       demand_auth},
  });
}

TEST_CASE("each reply about TLS and proxies") {
  check_replies({
      {reply_id::starttls_ready, EHLO + "STARTTLS\r\n",
       tls_ehlo + "220 2.0.0 mx.example Ready to start TLS\r\n", offer_tls},
      {reply_id::starttls_not_offered, EHLO + "STARTTLS\r\n",
       ehlo + "502 5.5.1 STARTTLS is not offered\r\n"},
      {reply_id::tls_twice, EHLO + "STARTTLS\r\n" + WAIT + "STARTTLS\r\n",
       tls_ehlo + "220 2.0.0 mx.example Ready to start TLS\r\n503 TLS is already active\r\n",
       offer_tls},
      {reply_id::starttls_in_transaction, EHLO + MAIL + "STARTTLS\r\n",
       tls_ehlo + mail_ok + "503 5.5.1 STARTTLS is not allowed inside a transaction\r\n",
       offer_tls},
      {reply_id::tls_required, EHLO + MAIL,
       tls_ehlo + "530 5.7.0 Must issue a STARTTLS command first\r\n", demand_tls},
      {reply_id::sequence, EHLO + MAIL + "XFORWARD NAME=a\r\n",
       forward_ehlo + mail_ok + "503 5.5.1 Bad sequence of commands\r\n", offer_forward},
      {reply_id::insufficient_authorization, EHLO + "XCLIENT NAME=a\r\n",
       ehlo + "550 5.7.0 Insufficient authorization\r\n"},
  });
}

TEST_CASE("in clear behind STARTTLS is answered with synchronization_error") {
  session_rules rules;
  offer_tls(rules);
  const auto expected = greeted + tls_ehlo + "554 5.5.0 Protocol synchronization error\r\n";
  CHECK(closes_connection(row(reply_id::synchronization_error)));
  for (std::size_t cut = 1; cut <= EHLO.size(); ++cut)
    CHECK(run(rules, EHLO + "STARTTLS\r\nNOOP\r\n", {cut}).sent == expected);
}

TEST_CASE("each reply in place of the greeting") {
  session_rules rules;
  rules.refusal = reply_id::no_service;
  check_every_way(rules, EHLO + "NOOP\r\n" + QUIT,
                  {"554 No SMTP service here\r\n" + sequence + sequence +
                       "221 mx.example closing connection\r\n",
                   "q", ""});
  for (const auto id : {reply_id::draining, reply_id::never_accepts_mail}) {
    rules.refusal = id;
    CHECK(run(rules, EHLO, {}).told == "f");
  }
  CHECK(run(rules, EHLO, {}).sent == "521 This host accepts no mail\r\n");
}

}  // namespace
}  // namespace relais::smtp
