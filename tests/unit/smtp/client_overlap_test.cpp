// The next transaction in the flight that ends this one's content (RFC 2920 3.1): whose reply is
// whose, and what is left of both when the session breaks in between. LIMITS (RFC 9422) and LMTP
// (RFC 2033) here, too.
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

constexpr auto ready = client_action::ready;
constexpr auto failed = client_action::failed;
constexpr auto closed = client_action::closed;

const std::string envelope_text =
    "MAIL FROM:<s@a.example>\r\nRCPT TO:<r@b.example>\r\nRCPT TO:<q@b.example>\r\n";
const std::string flight = envelope_text + "DATA\r\n";
const std::string chunk = envelope_text + "BDAT 1000 LAST\r\n";
const std::string taken = "250 m\r\n250 a\r\n250 b\r\n";
const std::string go = taken + "354 go\r\n";

/// The first content is out, the second envelope behind it.
std::vector<event> two(std::vector<event> more) {
  std::vector<event> all{send(), client(flight), server(go), content(), ahead(), client(flight)};
  all.insert(all.end(), more.begin(), more.end());
  return behind_hello("250-mx\r\n250 PIPELINING\r\n", std::move(all));
}
/// Two flights with their contents are out.
std::vector<event> two_chunks(std::vector<event> more) {
  std::vector<event> all{send(),   client(chunk), content(), ahead(), client("RSET\r\n" + chunk),
                         content()};
  all.insert(all.end(), more.begin(), more.end());
  return behind_hello("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", std::move(all));
}
row lie(row r) {
  r.is_lie = true;
  return r;
}

}  // namespace

TEST_CASE("the next envelope leaves with the final dot") {
  run_all({
      {"both are delivered", two({server("250 one\r\n" + go), content(), server("250 two\r\n")}),
       ready, "content 250, content 250 | content 250, content 250"},
      {"a third behind the second",
       two({server("250 one\r\n" + go), content(), ahead(), client(flight),
            server("550 two\r\n250 m\r\n250 a\r\n450 b\r\n354 go\r\n"), content(),
            server("250 three\r\n"), quit(), client("QUIT\r\n"), server("221 bye\r\n")}),
       closed, "content 250, content 250 | content 550, content 550 | content 250, rcpt 450"},
      {"the first is refused", two({server("554 one\r\n" + go), content(), server("250 two\r\n")}),
       ready, "content 554, content 554 | content 250, content 250"},
      {"MAIL of the second is refused",
       two({server("250 one\r\n550 m\r\n503 a\r\n503 b\r\n503 d\r\n")}), ready,
       "content 250, content 250 | mail 550, mail 550"},
      {"all recipients of the second are refused, and 354: a lone dot",
       two({server("250 one\r\n250 m\r\n550 a\r\n450 b\r\n354 go\r\n"), client(".\r\n"),
            server("554 nobody\r\n")}),
       ready, "content 250, content 250 | rcpt 550, rcpt 450"},
      {"RSET behind half a transaction",
       two({server("250 one\r\n250 m\r\n550 a\r\n450 b\r\n554 d\r\n"), send(),
            client("RSET\r\n" + flight), server("250 r\r\n" + go), content(),
            server("250 three\r\n")}),
       ready, "content 250, content 250 | rcpt 550, rcpt 450 | content 250, content 250"},
      {"421 to the first content: the second was not tried", two({server("421 bye\r\n")}), failed,
       "content 421, content 421 | unbegun mail -, mail -", "end of DATA: 421 bye"},
      {"421 to MAIL of the second", two({server("250 one\r\n421 bye\r\n")}), failed,
       "content 250, content 250 | mail 421, mail 421", "MAIL FROM: 421 bye"},
      {"421 to a recipient of the second", two({server("250 one\r\n250 m\r\n250 a\r\n421 b\r\n")}),
       failed, "content 250, content 250 | rcpt -, rcpt 421", "RCPT TO: 421 b"},
      lie({"503 to MAIL of the second: the server lost something",
           two({server("250 one\r\n503 nested\r\n503 a\r\n503 b\r\n503 d\r\n")}), failed,
           "content 250, content 250 | mail -, mail -", "DATA: protocol error"}),
      lie({"rubbish to the first content", two({server("what\r\n")}), failed,
           "content -, content - | unbegun mail -, mail -", "end of DATA: protocol error"}),
      lie({"a reply too many in between", two({server("250 one\r\n250 x\r\n" + go)}), failed,
           "content 250, content 250 | data -, data -", "DATA: protocol error"}),
  });
}

TEST_CASE("flights with their contents follow each other without waiting") {
  run_all({
      {"both are delivered",
       two_chunks({server(taken), answer("250 one\r\n"), server("250 r\r\n" + taken),
                   answer("250 two\r\n")}),
       ready, "content 250, content 250 | content 250, content 250"},
      {"the next goes out when the first is answered",
       two_chunks({server(taken), answer("250 one\r\n"), ahead(), client("RSET\r\n" + chunk),
                   content(), server("250 r\r\n" + taken), answer("250 two\r\n"),
                   server("250 r\r\n250 m\r\n550 a\r\n250 b\r\n"), answer("250 three\r\n")}),
       ready, "content 250, content 250 | content 250, content 250 | rcpt 550, content 250"},
      {"all of the first are refused: its chunk's reply is nobody's",
       two_chunks({server("250 m\r\n550 a\r\n550 b\r\n503 c\r\n"), server("250 r\r\n" + taken),
                   answer("250 two\r\n")}),
       ready, "rcpt 550, rcpt 550 | content 250, content 250"},
      {"MAIL of the first is refused",
       two_chunks({server("550 m\r\n503 a\r\n503 b\r\n503 c\r\n"), server("250 r\r\n" + taken),
                   answer("250 two\r\n")}),
       ready, "mail 550, mail 550 | content 250, content 250"},
      {"421 to the first chunk: the second was not taken",
       two_chunks({server(taken), answer("421 bye\r\n")}), failed,
       "content 421, content 421 | unbegun mail -, mail -", "end of DATA: 421 bye"},
      {"421 to RSET of the second",
       two_chunks({server(taken), answer("250 one\r\n"), server("421 bye\r\n")}), failed,
       "content 250, content 250 | mail -, mail -", "MAIL FROM: 421 bye"},
      lie({"rubbish to the first chunk: both may be there",
           two_chunks({server(taken), answer("what\r\n")}), failed,
           "content -, content - | content -, content -", "end of DATA: protocol error"}),
  });
}

namespace {

struct break_row {
  std::string name;
  bool chunks;
  std::string heard;  ///< behind two flights
  errc why;
  std::string results;
  bool is_lie = false;
};

}  // namespace

TEST_CASE("a connection that breaks between overlapping transactions leaves what is certain") {
  const auto r = GENERATE(values<break_row>({
      {"closed before any reply", false, "", errc::peer_closed,
       "content -, content - | unbegun mail -, mail -"},
      {"closed behind the first", false, "250 one\r\n", errc::peer_closed,
       "content 250, content 250 | unbegun mail -, mail -"},
      {"silent behind the first", false, "250 one\r\n", errc::timeout,
       "content 250, content 250 | mail -, mail -", true},
      {"closed behind MAIL of the second", false, "250 one\r\n250 m\r\n", errc::peer_closed,
       "content 250, content 250 | rcpt -, rcpt -", true},
      {"silent behind MAIL of the second", false, "250 one\r\n250 m\r\n", errc::timeout,
       "content 250, content 250 | rcpt -, rcpt -", true},
      {"reset behind MAIL of the second", false, "250 one\r\n250 m\r\n", errc::connection_failed,
       "content 250, content 250 | rcpt -, rcpt -"},
      {"silent at DATA of the second", false, "250 one\r\n250 m\r\n250 a\r\n550 b\r\n",
       errc::timeout, "content 250, content 250 | data -, rcpt 550", true},
      {"an orderly end before any reply: a server may die with its replies unwritten", true, "",
       errc::peer_closed, "content -, content - | content -, content -"},
      {"a reset before any reply: both may be there", true, "", errc::connection_failed,
       "content -, content - | content -, content -"},
      {"silence before any reply: both may be there", true, "", errc::timeout,
       "content -, content - | content -, content -"},
      {"an orderly end amid the first envelope", true, "250 m\r\n550 a\r\n", errc::peer_closed,
       "rcpt 550, content - | content -, content -", true},
      {"a reset where the first chunk's reply is due", true, taken, errc::connection_failed,
       "content -, content - | content -, content -"},
      {"a reset behind the first", true, taken + "250 one\r\n", errc::connection_failed,
       "content 250, content 250 | content -, content -"},
  }));
  row script{r.name, r.chunks ? two_chunks({}) : two({})};
  script.options = in_clear();
  script.message = two_recipients();
  DYNAMIC_SECTION(r.name) {
    run played(script);
    played.play({});
    CHECK(played.hear_and_break(r.heard, r.why) == r.is_lie);
    CHECK(played.results(true) == r.results);
  }
}

TEST_CASE("a refusal that comes while the content is being written counts") {
  const auto r = GENERATE(values<break_row>({
      {"552", false, "552 5.3.4 too big\r\n", errc::connection_failed, "content 552, content 552"},
      {"421", false, "421 bye\r\n", errc::connection_failed, "content 421, content 421"},
      {"nothing", false, "", errc::connection_failed, "data -, data -"},
      {"half a line", false, "552 5.3", errc::connection_failed, "data -, data -"},
      {"a part was taken for the whole", false, "250 ok\r\n", errc::connection_failed,
       "data -, data -"},
      {"552 to a chunk", true, taken + "552 big\r\n", errc::connection_failed,
       "content 552, content 552"},
      {"a part of a chunk was taken for the whole", true, taken + "250 ok\r\n",
       errc::connection_failed, "data -, data -", true},
      {"421 to MAIL in front of a chunk", true, "421 bye\r\n", errc::connection_failed,
       "mail 421, mail 421"},
      {"refused recipients in front of a chunk", true, "250 m\r\n550 a\r\n250 b\r\n554 c\r\n",
       errc::connection_failed, "rcpt 550, content 554"},
  }));
  const std::vector<event> begun{send(), client(r.chunks ? chunk : flight)};
  row script{r.name, begun};
  if (!r.chunks) script.events.push_back(server(go));
  script.events = behind_hello(
      r.chunks ? "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n" : "250-mx\r\n250 PIPELINING\r\n",
      script.events);
  script.options = in_clear();
  script.message = two_recipients();
  DYNAMIC_SECTION(r.name) {
    run played(script);
    CHECK(played.play({}) == client_action::want_content);
    played.cut();
    CHECK(played.hear_and_break(r.heard, r.why) == r.is_lie);
    CHECK(played.results(true) == r.results);
  }
}

TEST_CASE("a failed write spares the reply to what went out before") {
  row script{"", two({})};
  script.options = in_clear();
  script.message = two_recipients();
  const std::string heard = GENERATE("250 one\r\n", "250 one\r\n250 m\r\n", "");
  run played(script);
  played.play({});
  played.cut();
  played.hear_and_break(heard, errc::connection_failed);
  const auto results = played.results(true);
  if (heard.empty()) {
    CHECK(results == "content -, content - | unbegun mail -, mail -");
  } else {
    CHECK(results.starts_with("content 250, content 250 | "));
  }
}

TEST_CASE("the LIMITS of the server are kept") {
  const std::string mailmax = "250-mx\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=2 X=1\r\n";
  row two_mails{"MAILMAX",
                behind_hello(mailmax, {send(), client(flight), server(go), content(), ahead(),
                                       client(flight), server("250 one\r\n" + go), content()}),
                client_action::need_input};
  two_mails.options = in_clear();
  two_mails.message = two_recipients();
  run played(two_mails);
  CHECK(played.play({}) == client_action::need_input);
  CHECK_FALSE(played.protocol().has_mail_left());
  CHECK_FALSE(played.protocol().can_go_ahead());

  const auto limited = [](const std::string& limits, const std::string& sent,
                          const std::string& replies, const std::string& results) {
    row r{limits,
          behind_hello("250-mx\r\n250-PIPELINING\r\n250 LIMITS " + limits + "\r\n",
                       {send(), client("MAIL FROM:<s@a.example>\r\n" + sent + "DATA\r\n"),
                        server(replies + "354 go\r\n"), content(), server("250 ok\r\n")}),
          ready, results};
    r.message = {address("s@a.example"),
                 {address("1@b.example"), address("2@c.example"), address("3@B.example"),
                  address("4@d.example")}};
    r.recipients = {0, 1, 2, 3};
    return r;
  };
  const std::string one = "RCPT TO:<1@b.example>\r\n", second = "RCPT TO:<2@c.example>\r\n",
                    three = "RCPT TO:<3@B.example>\r\n", four = "RCPT TO:<4@d.example>\r\n";
  run_all({
      limited("RCPTMAX=2", one + second, "250 m\r\n250 1\r\n250 2\r\n",
              "content 250, content 250, too many, too many"),
      limited("RCPTDOMAINMAX=1", one + three, "250 m\r\n250 1\r\n550 3\r\n",
              "content 250, too many, rcpt 550, too many"),
      limited("MAILMAX=1 RCPTMAX=3 RCPTDOMAINMAX=2", one + second + three,
              "250 m\r\n250 1\r\n250 2\r\n250 3\r\n",
              "content 250, content 250, content 250, too many"),
      limited("RCPTMAX=0 RCPTDOMAINMAX=x MAILMAX", one + second + three + four,
              "250 m\r\n250 1\r\n250 2\r\n250 3\r\n250 4\r\n",
              "content 250, content 250, content 250, content 250"),
  });
}

TEST_CASE("a transaction that no recipient can have is not begun ahead") {
  client_protocol p(in_clear());
  const auto say = [&](std::string_view octets) {
    p.receive(octets);
    p.next();
    p.output_written(p.output().size());
  };
  say("220 mx\r\n");
  say("250-mx\r\n250-SIZE 99\r\n250 PIPELINING\r\n");
  const auto message = two_recipients();
  transaction first, second;
  first.message = second.message = &message;
  first.recipients = second.recipients = {0, 1};
  second.size = 100;
  p.send(first);
  p.output_written(p.output().size());
  say(go);
  p.content_sent();
  p.begin_ahead(second);
  CHECK_FALSE(second.was_begun);
  CHECK(p.output().empty());
  say("250 ok\r\n");
  CHECK(p.next() == client_action::over);
  CHECK(show(first.results) == "content 250, content 250");
  p.finished();
  CHECK(p.next() == ready);
  p.send(second);
  CHECK(p.next() == client_action::over);
  CHECK(show(second.results) == "too big, too big");
  p.finished();
  CHECK(p.next() == ready);
}

TEST_CASE("many recipients go in several flights") {
  client_protocol p(in_clear());
  const auto say = [&](std::string_view octets) {
    p.receive(octets);
    return p.next();
  };
  const auto write = [&] {
    const std::string octets(p.output());
    p.output_written(octets.size());
    return std::count(octets.begin(), octets.end(), '\n');
  };
  say("220 mx\r\n"), write();
  say("250-mx\r\n250 PIPELINING\r\n");
  auto message = two_recipients();
  message.forward_paths.assign(1200, address("r@b.example"));
  transaction t;
  t.message = &message;
  for (std::size_t i = 0; i < 1200; ++i) t.recipients.push_back(i);
  p.send(t);
  std::vector<std::ptrdiff_t> flights;
  while (p.next() == client_action::need_input) {
    const auto lines = write();
    flights.push_back(lines);
    for (std::ptrdiff_t i = 0; i < lines; ++i) {
      const bool is_data = flights.size() == 3 && i == lines - 1;
      say(is_data ? "354 go\r\n" : i % 2 == 0 ? "250 ok\r\n" : "550 no\r\n");
    }
  }
  CHECK(flights == std::vector<std::ptrdiff_t>{500, 500, 202});
  REQUIRE(p.next() == client_action::want_content);
  p.content_sent();
  say("250 ok\r\n");
  CHECK(p.next() == client_action::over);
  CHECK(delivered(t.results) == 600);
}

namespace {

row lmtp(row r) {
  r.options = in_clear();
  r.options.is_lmtp = true;
  r.events[1] = client("LHLO us.example\r\n");
  return r;
}

}  // namespace

TEST_CASE("LMTP has a reply for each accepted recipient behind the content") {
  const std::string offers = "250-mx\r\n250 PIPELINING\r\n";
  const std::string both = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
  const auto behind_data = [&](const std::string& envelope, const std::string& replies) {
    return behind_hello(offers, {send(), client(flight), server(envelope + "354 go\r\n"), content(),
                                 server(replies)});
  };
  run_all({
      lmtp({"both are delivered", behind_data(taken, "250 1\r\n250 2\r\n"), ready,
            "content 250, content 250"}),
      lmtp({"one mailbox is full", behind_data(taken, "452 4.2.2 full\r\n250 2\r\n"), ready,
            "content 452, content 250"}),
      lmtp({"one was not accepted", behind_data("250 m\r\n550 a\r\n250 b\r\n", "250 2\r\n"), ready,
            "rcpt 550, content 250"}),
      lmtp({"nobody was accepted",
            behind_hello(offers,
                         {send(), client(flight), server("250 m\r\n550 a\r\n550 b\r\n503 no\r\n")}),
            ready, "rcpt 550, rcpt 550"}),
      lie(lmtp({"354 though nobody was accepted",
                behind_hello(offers, {send(), client(flight),
                                      server("250 m\r\n550 a\r\n550 b\r\n354 go\r\n")}),
                failed, "rcpt 550, rcpt 550", "DATA: protocol error"})),
      lmtp({"421 between the replies", behind_data(taken, "250 1\r\n421 bye\r\n"), failed,
            "content 250, content 421", "end of DATA: 421 bye"}),
      lmtp({"421 to the first of the replies: what became of the second is not known",
            behind_data(taken, "421 bye\r\n"), failed, "content 421, content -",
            "end of DATA: 421 bye"}),
      lmtp({"a reply too many", behind_data(taken, "250 1\r\n250 2\r\n250 3\r\n"), failed,
            "content 250, content 250", "end of DATA: protocol error"}),
      lmtp({"by BDAT",
            behind_hello(both, {send(), client(chunk), content(), server(taken),
                                answer("250 1\r\n550 2\r\n")}),
            ready, "content 250, content 550"}),
      lmtp({"by BDAT, nobody was accepted: one reply",
            behind_hello(both, {send(), client(chunk), content(),
                                server("250 m\r\n550 a\r\n550 b\r\n503 no\r\n")}),
            ready, "rcpt 550, rcpt 550"}),
      lmtp({"with the next one ahead",
            two({server("250 1\r\n450 2\r\n250 m\r\n550 a\r\n250 b\r\n354 go\r\n"), content(),
                 server("250 2\r\n")}),
            ready, "content 250, content 450 | rcpt 550, content 250"}),
      lmtp({"LHLO refused: no HELO",
            {server("220 mx\r\n"), client(""), server("500 what\r\n")},
            failed,
            "",
            "EHLO: 500 what"}),
  });
}
