// Transactions: what is sent in which flight, which reply is credited to whom, and that nobody is
// ever credited with a delivery that the final dot did not earn.
#include <deque>

#include "base/random.hpp"
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

constexpr auto ready = client_action::ready;
constexpr auto failed = client_action::failed;
constexpr auto closed = client_action::closed;

const std::string mail = "MAIL FROM:<s@a.example>\r\n";
const std::string rcpt1 = "RCPT TO:<r@b.example>\r\n";
const std::string rcpt2 = "RCPT TO:<q@b.example>\r\n";
const std::string data = "DATA\r\n";
const std::string flight = mail + rcpt1 + rcpt2 + data;

std::vector<event> one_by_one(std::vector<event> more) {
  return behind_hello("250 mx\r\n", std::move(more));
}
std::vector<event> pipelined(std::vector<event> more) {
  return behind_hello("250-mx\r\n250 PIPELINING\r\n", std::move(more));
}
row lie(row r) {
  r.is_lie = true;
  return r;
}
transaction to_both(const envelope& message, std::vector<std::size_t> recipients = {0, 1}) {
  transaction t;
  t.message = &message;
  t.recipients = std::move(recipients);
  t.size = 5;
  return t;
}

}  // namespace

TEST_CASE("a transaction command by command") {
  run_all({
      {"delivered",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("250 ok\r\n"),
                   client(rcpt2), server("251 ok\r\n"), client(data), server("354 go\r\n"),
                   content(), server("250 2.0.0 queued\r\n")}),
       ready, "content 250, content 250"},
      {"MAIL refused", one_by_one({send(), client(mail), server("550 5.7.1 no\r\n")}), ready,
       "mail 550, mail 550"},
      {"one RCPT refused",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("550 no\r\n"),
                   client(rcpt2), server("250 ok\r\n"), client(data), server("354 go\r\n"),
                   content(), server("250 ok\r\n")}),
       ready, "rcpt 550, content 250"},
      {"all RCPT refused: no DATA",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("550 no\r\n"),
                   client(rcpt2), server("450 no\r\n")}),
       ready, "rcpt 550, rcpt 450"},
      {"DATA refused",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("550 no\r\n"),
                   client(rcpt2), server("250 ok\r\n"), client(data), server("451 no\r\n")}),
       ready, "rcpt 550, data 451"},
      {"content refused",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("250 ok\r\n"),
                   client(rcpt2), server("250 ok\r\n"), client(data), server("354 go\r\n"),
                   content(), server("554-5.7.1 spam\r\n554 5.7.1 really\r\n")}),
       ready, "content 554, content 554"},
      {"RSET before the next transaction where half of one is left",
       one_by_one({send(),
                   client(mail),
                   server("250 ok\r\n"),
                   client(rcpt1),
                   server("550 no\r\n"),
                   client(rcpt2),
                   server("550 no\r\n"),
                   send(),
                   client("RSET\r\n"),
                   server("250 ok\r\n"),
                   client(mail),
                   server("250 ok\r\n"),
                   client(rcpt1),
                   server("250 ok\r\n"),
                   client(rcpt2),
                   server("250 ok\r\n"),
                   client(data),
                   server("354 go\r\n"),
                   content(),
                   server("250 ok\r\n")}),
       ready, "content 250, content 250"},
      {"no RSET behind a refused content",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("250 ok\r\n"),
                   client(rcpt2), server("250 ok\r\n"), client(data), server("354 go\r\n"),
                   content(), server("450 ok\r\n"), send(), client(mail), server("550 no\r\n")}),
       ready, "mail 550, mail 550"},
      {"RSET refused",
       one_by_one({send(), client(mail), server("450 no\r\n"), send(), client("RSET\r\n"),
                   server("500 no\r\n")}),
       failed, "mail -, mail -", "MAIL FROM: 500 no"},
      {"QUIT behind a delivery",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("250 ok\r\n"),
                   client(rcpt2), server("250 ok\r\n"), client(data), server("354 go\r\n"),
                   content(), quit(), server("250 ok\r\n"), quit(), client("QUIT\r\n"),
                   server("221 bye\r\n")}),
       closed, "content 250, content 250"},
  });
}

TEST_CASE("a pipelined transaction goes out in one flight") {
  run_all({
      {"delivered",
       pipelined({send(), client(flight), server("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
                  content(), server("250 ok\r\n")}),
       ready, "content 250, content 250"},
      {"MAIL refused, everything refused",
       pipelined({send(), client(flight), server("550 no\r\n503 a\r\n503 b\r\n503 c\r\n")}), ready,
       "mail 550, mail 550"},
      {"MAIL refused, but 354: a lone dot, its reply is nobody's",
       pipelined({send(), client(flight), server("550 no\r\n250 a\r\n250 b\r\n354 c\r\n"),
                  client(".\r\n"), server("250 queued\r\n")}),
       ready, "mail 550, mail 550"},
      {"all RCPT refused, but 354: a lone dot",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n450 b\r\n354 c\r\n"),
                  client(".\r\n"), server("554 no valid recipients\r\n")}),
       ready, "rcpt 550, rcpt 450"},
      {"no RSET behind a lone dot",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n450 b\r\n354 c\r\n"),
                  client(".\r\n"), server("250 ok\r\n"), send(), client(flight),
                  server("450 no\r\n503 a\r\n503 b\r\n503 c\r\n")}),
       ready, "mail 450, mail 450"},
      {"all RCPT refused, DATA refused",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n450 b\r\n554 c\r\n")}), ready,
       "rcpt 550, rcpt 450"},
      {"DATA refused",
       pipelined({send(), client(flight), server("250 ok\r\n250 a\r\n450 b\r\n451 c\r\n")}), ready,
       "data 451, rcpt 450"},
      {"RSET begins the next flight",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n450 b\r\n554 c\r\n"), send(),
                  client("RSET\r\n" + flight),
                  server("250 r\r\n250 m\r\n250 a\r\n250 b\r\n354 go\r\n"), content(),
                  server("250 ok\r\n")}),
       ready, "content 250, content 250"},
      {"RSET refused: nothing behind it counts",
       pipelined({send(), client(flight), server("550 ok\r\n550 a\r\n450 b\r\n554 c\r\n"), send(),
                  client("RSET\r\n" + flight),
                  server("500 r\r\n250 m\r\n250 a\r\n250 b\r\n354 go\r\n")}),
       failed, "mail -, mail -", "MAIL FROM: 500 r"},
  });
}

TEST_CASE("421 ends the session and credits the command that it answers") {
  const auto opened = [](const std::string& answers) {
    return pipelined({send(), client(flight), server(answers)});
  };
  run_all({
      {"to MAIL", opened("421 bye\r\n"), failed, "mail 421, mail 421", "MAIL FROM: 421 bye"},
      {"to the first RCPT", opened("250 ok\r\n421 bye\r\n"), failed, "rcpt 421, rcpt -",
       "RCPT TO: 421 bye"},
      {"to the second RCPT", opened("250 ok\r\n250 ok\r\n421 bye\r\n"), failed, "rcpt -, rcpt 421",
       "RCPT TO: 421 bye"},
      {"to DATA", opened("250 ok\r\n550 no\r\n250 ok\r\n421 bye\r\n"), failed, "rcpt 550, data 421",
       "DATA: 421 bye"},
      {"to the final dot",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n250 ok\r\n354 go\r\n"),
                  content(), server("421 bye\r\n")}),
       failed, "rcpt 550, content 421", "end of DATA: 421 bye"},
      {"to a lone dot",
       pipelined({send(), client(flight), server("250 ok\r\n550 a\r\n550 ok\r\n354 go\r\n"),
                  client(".\r\n"), server("421 bye\r\n")}),
       failed, "rcpt 550, rcpt 550", "end of DATA: 421 bye"},
      {"to MAIL, one by one", one_by_one({send(), client(mail), server("421 bye\r\n")}), failed,
       "mail 421, mail 421", "MAIL FROM: 421 bye"},
      {"to RCPT, one by one",
       one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("550 no\r\n"),
                   client(rcpt2), server("421 bye\r\n")}),
       failed, "rcpt 550, rcpt 421", "RCPT TO: 421 bye"},
  });
}

TEST_CASE("a reply that cannot be ends the session, and counts for nobody") {
  const auto to_flight = [](const std::string& answers) {
    return pipelined({send(), client(flight), server(answers)});
  };
  const auto to_dot = [](const std::string& answer) {
    return pipelined({send(), client(flight), server("250 m\r\n250 a\r\n250 b\r\n354 go\r\n"),
                      content(), server(answer)});
  };
  run_all({
      lie({"354 to MAIL", to_flight("354 go\r\n"), failed, "mail -, mail -",
           "MAIL FROM: protocol error"}),
      lie({"354 to RCPT", to_flight("250 ok\r\n354 go\r\n"), failed, "rcpt -, rcpt -",
           "RCPT TO: protocol error"}),
      lie({"250 to DATA", to_flight("250 m\r\n250 a\r\n550 b\r\n250 d\r\n"), failed,
           "data -, rcpt 550", "DATA: protocol error"}),
      lie({"334 to DATA", to_flight("250 m\r\n250 a\r\n550 b\r\n334 d\r\n"), failed,
           "data -, rcpt 550", "DATA: protocol error"}),
      {"354 to the final dot", to_dot("354 go\r\n"), failed, "content -, content -",
       "end of DATA: protocol error"},
      {"garbage to the final dot", to_dot("Ok: queued\r\n"), failed, "content -, content -",
       "end of DATA: protocol error"},
      {"1yz to the final dot", to_dot("150 ok\r\n"), failed, "content -, content -",
       "end of DATA: protocol error"},
      {"lines of two codes to the final dot", to_dot("250-a\r\n550 b\r\n"), failed,
       "content -, content -", "end of DATA: protocol error"},
      lie({"the final reply before the content",
           to_flight("250 m\r\n250 a\r\n550 b\r\n354 go\r\n250 queued\r\n"), failed,
           "data -, rcpt 550", "DATA: protocol error"}),
      lie({"a lone octet before the content", to_flight("250 m\r\n250 a\r\n550 b\r\n354 go\r\n2"),
           failed, "data -, rcpt 550", "DATA: protocol error"}),
      {"a reply too many to MAIL, one by one",
       one_by_one({send(), client(mail), server("250 ok\r\n250 ok\r\n")}), failed, "rcpt -, rcpt -",
       "RCPT TO: protocol error"},
      {"a reply before MAIL", behind_hello("250 mx\r\n", {server("250 ok\r\n")}), failed, "",
       "EHLO: protocol error"},
  });
}

TEST_CASE("a delivery stays credited whatever comes behind its reply") {
  // Whole: one read has both; in pieces: the session is ready in between. The outcome is the same.
  run_all({
      {"rubbish",
       pipelined({send(), client(flight), server("250 m\r\n250 a\r\n250 b\r\n354 go\r\n"),
                  content(), server("250 queued\r\nrubbish")}),
       failed, "content 250, content 250", "end of DATA: protocol error"},
      {"another 250",
       pipelined({send(), client(flight), server("250 m\r\n250 a\r\n250 b\r\n354 go\r\n"),
                  content(), server("250 queued\r\n250 queued\r\n")}),
       failed, "content 250, content 250", "end of DATA: protocol error"},
  });
  client_protocol p(in_clear());
  p.receive("220 mx\r\n");
  p.next();
  p.output_written(p.output().size());
  p.receive("250 mx\r\n421 idle\r\n");
  CHECK(p.next() == failed);
  CHECK(show(p.failure()) == "EHLO: 421 idle");
}

TEST_CASE("what the next hop cannot take is not sent") {
  row too_big{"larger than SIZE", behind_hello("250-mx\r\n250 SIZE 999\r\n", {send(), client("")}),
              ready, "too big, too big"};
  row foreign{
      "addresses need SMTPUTF8",
      one_by_one({send(), client(mail), server("250 ok\r\n"), client(rcpt1), server("250 ok\r\n"),
                  client(data), server("354 go\r\n"), content(), server("250 ok\r\n")}),
      ready, "content 250, no smtputf8"};
  foreign.message = {address("s@a.example"),
                     {address("r@b.example"), address("q\xc3\xa9@b.example")}};
  row sender{"the reverse-path needs SMTPUTF8", one_by_one({send(), client("")}), ready,
             "no smtputf8, no smtputf8"};
  sender.message = {address("s\xc3\xa9@a.example"),
                    {address("r@b.example"), address("q@b.example")}};
  row header{"the header needs SMTPUTF8", one_by_one({send(), client("")}), ready,
             "no smtputf8, no smtputf8"};
  header.message = two_recipients();
  header.message.smtputf8 = true;
  row none{"no recipients", one_by_one({send(), client("")}), ready, ""};
  none.recipients = {};
  run_all({too_big, foreign, sender, header, none});
}

TEST_CASE("the null reverse-path, a chosen recipient and its order") {
  row r{"",
        one_by_one({send(), client("MAIL FROM:<>\r\n"), server("250 ok\r\n"), client(rcpt2),
                    server("550 no\r\n"), client(rcpt1), server("450 no\r\n")}),
        ready, "rcpt 550, rcpt 450"};
  r.message = two_recipients();
  r.message.reverse_path = {};
  r.recipients = {1, 0};
  run_all({r});
}

TEST_CASE("a connection lost in the content is told from one lost behind the final dot") {
  client_protocol p(in_clear());
  const auto message = two_recipients();
  const auto say = [&](std::string_view octets) {
    p.receive(octets);
    p.next();
    p.output_written(p.output().size());
  };
  say("220 mx\r\n");
  say("250-mx\r\n250 PIPELINING\r\n");
  auto t = to_both(message);
  p.send(t);
  p.output_written(p.output().size());
  CHECK(p.step() == client_step::mail);
  say("250 m\r\n550 a\r\n");
  CHECK(p.step() == client_step::rcpt);
  say("250 b\r\n");
  CHECK(p.step() == client_step::data);
  say("354 go\r\n");
  CHECK(p.step() == client_step::content);
  SECTION("in the content") {
    p.abort(errc::timeout);
    CHECK(show(t.results) == "rcpt 550, data -");
  }
  SECTION("behind the dot") {
    p.content_sent();
    p.abort(errc::timeout);
    CHECK(show(t.results) == "rcpt 550, content -");
  }
  CHECK(p.next() == failed);
  CHECK(show(p.failure()) == "end of DATA: timed out");
  auto late = to_both(message, {0});
  p.send(late);
  CHECK(p.next() == failed);
  CHECK(show(late.results) == "mail -");
  CHECK_FALSE(late.was_begun);
}

TEST_CASE("replies may come while a long flight is still being written") {
  client_protocol p(in_clear());
  const auto message = two_recipients();
  p.receive("220 mx\r\n"), p.next(), p.output_written(p.output().size());
  p.receive("250-mx\r\n250 PIPELINING\r\n"), p.next();
  auto t = to_both(message);
  p.send(t);
  p.output_written(mail.size());
  p.receive("250 m\r\n");
  CHECK(p.next() == client_action::need_input);
  CHECK(p.output() == rcpt1 + rcpt2 + data);
}
