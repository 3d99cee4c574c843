// Rows of raw wire text: what a client says, what our server answers, octet by octet, each run fed
// whole, byte by byte and split at every position. With the words that most rows are made of.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "unit/smtp/scripted_session.hpp"

namespace relais::smtp {

using std::string;

struct sequence_row {
  const char* name;
  string input;
  string output;  ///< behind the greeting
  string told;
  string mail = {};
};

/// In an input: the client reads the reply before it goes on, so that nothing comes in one piece
/// with what follows (STARTTLS).
inline const string WAIT = "\x1d";

inline const string greeted = "220 mx.example ESMTP relais\r\n";
inline const string EHLO = "EHLO c\r\n";
inline const string HELO = "HELO c\r\n";
inline const string ehlo =
    "250-mx.example greets c\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
    "250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"
    "250-LIMITS RCPTMAX=1000 MAILMAX=1000\r\n250-MT-PRIORITY\r\n250-DELIVERBY\r\n250 HELP\r\n";
inline const string helo = "250 mx.example greets c\r\n";
inline const string MAIL = "MAIL FROM:<a@b>\r\n";
inline const string RCPT = "RCPT TO:<c@d>\r\n";
inline const string REFUSED = "RCPT TO:<x@refused.example>\r\n";
inline const string DATA = "DATA\r\n";
inline const string QUIT = "QUIT\r\n";
inline const string mail_ok = "250 2.1.0 Ok\r\n";
inline const string rcpt_ok = "250 2.1.5 Ok\r\n";
inline const string denied = "550 5.7.1 <x@refused.example>: Relay access denied\r\n";
inline const string start = "354 End data with <CR><LF>.<CR><LF>\r\n";
inline const string queued = "250 2.0.0 Ok: queued as 1\r\n";
inline const string bye = "221 2.0.0 mx.example closing connection\r\n";
inline const string ok = "250 2.0.0 Ok\r\n";
inline const string unknown = "500 5.5.2 Command not recognized\r\n";
inline const string octets = "500 5.5.2 Command holds octets that are not printable ASCII\r\n";
inline const string too_long = "500 5.5.2 Command line too long\r\n";
inline const string bad_argument = "501 5.5.4 Argument missing or malformed\r\n";
inline const string no_argument = "501 5.5.4 No argument allowed\r\n";
inline const string bad_sender = "501 5.1.7 Bad sender address syntax\r\n";
inline const string bad_recipient = "501 5.1.3 Bad recipient address syntax\r\n";
inline const string bad_parameter = "501 5.5.4 Parameter repeated or malformed\r\n";
inline const string no_parameter = "555 5.5.4 Parameter not recognized\r\n";
inline const string not_offered = "555 5.5.4 Parameter of an extension that is not offered\r\n";
inline const string not_implemented = "502 5.5.1 Command not implemented\r\n";
inline const string hello_first = "503 Send HELO or EHLO first\r\n";
inline const string mail_first = "503 5.5.1 Send MAIL first\r\n";
inline const string rcpt_first = "503 5.5.1 Send RCPT first\r\n";
inline const string nested = "503 5.5.1 A transaction is open already\r\n";
inline const string nobody = "554 5.5.1 No valid recipients\r\n";
inline const string sequence = "503 Bad sequence of commands\r\n";
inline const string bare = "550 5.5.2 Lines must end in <CR><LF>\r\n";
inline const string utf8 =
    "553 5.6.7 Address is not ASCII: SMTPUTF8 must be declared with MAIL\r\n";
inline const string too_big = "552 5.3.4 Message exceeds the size limit\r\n";
inline const string size_too_big = "552 5.3.4 Declared size exceeds the size limit\r\n";
inline const string too_many_errors =
    "421 4.7.0 mx.example Too many errors, closing connection\r\n";
inline const string has_nul = "554 5.6.0 Message holds a NUL octet\r\n";
inline const string long_text = "554 5.6.0 Message holds a line that is too long\r\n";
inline const string vrfy =
    "252 2.5.0 Cannot verify the user, but will take mail and try to deliver it\r\n";
inline const string help =
    "214 2.0.0 Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY STARTTLS AUTH\r\n";
inline const string foreign = "521 5.5.1 This is an SMTP server\r\n";
// EHLO, MAIL, RCPT, DATA, and what they earn.
inline const string OPEN = EHLO + MAIL + RCPT + DATA;
inline const string open = ehlo + mail_ok + rcpt_ok + start;

struct result_of_run {
  string sent, told, mail;
  friend bool operator==(const result_of_run&, const result_of_run&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const result_of_run& r) {
  return out << r.told << "|" << r.sent << "|" << r.mail;
}

/// Feeds the input in pieces that end at `cuts`, and at each WAIT.
inline result_of_run run(const session_rules& rules, std::string_view input,
                         std::vector<std::size_t> cuts) {
  string stream;
  for (const char c : input) {
    if (c == WAIT.front()) {
      cuts.push_back(stream.size());
    } else {
      stream += c;
    }
  }
  std::ranges::sort(cuts);
  scripted_session session(rules);
  std::size_t at = 0;
  for (const auto cut : cuts) {
    if (!session.feed(std::string_view(stream).substr(at, cut - at))) break;
    at = cut;
  }
  session.feed(std::string_view(stream).substr(at));
  return {session.sent(), session.told(), session.mail()};
}

inline void check_every_way(const session_rules& rules, const string& input,
                            const result_of_run& expected) {
  CHECK(run(rules, input, {}) == expected);
  std::vector<std::size_t> every;
  std::size_t differing = 0;
  const auto length = input.size() - static_cast<std::size_t>(std::ranges::count(input, WAIT[0]));
  for (std::size_t i = 1; i < length; ++i) {
    every.push_back(i);
    if (!(run(rules, input, {i}) == expected)) ++differing;
  }
  CHECK(differing == 0);
  CHECK(run(rules, input, every) == expected);
}

inline void check_rows(const session_rules& rules, const sequence_row& row) {
  DYNAMIC_SECTION(row.name) {
    check_every_way(rules, row.input, {greeted + row.output, row.told, row.mail});
  }
}

/// The reply to EHLO without one of its lines: for rows that offer other things.
inline string without(string hello, const string& keyword) {
  const auto at = hello.find("250-" + keyword);
  if (at == string::npos) throw std::logic_error("no line " + keyword);
  return hello.erase(at, hello.find('\n', at) + 1 - at);
}
/// With one more line, before that of `keyword`.
inline string with(string hello, const string& line, const string& keyword) {
  auto at = hello.find("250-" + keyword);
  if (at == string::npos) at = hello.find("250 " + keyword);
  if (at == string::npos) throw std::logic_error("no line " + keyword);
  return hello.insert(at, "250-" + line + "\r\n");
}

}  // namespace relais::smtp
