// Contents by BDAT (RFC 3030): in the same flight as the envelope where that is allowed, behind the
// replies to RCPT else; whose reply the chunk's is, and what the state behind it is taken for.
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

constexpr auto ready = client_action::ready;
constexpr auto failed = client_action::failed;

const std::string mail = "MAIL FROM:<s@a.example>\r\n";
const std::string rcpt1 = "RCPT TO:<r@b.example>\r\n";
const std::string rcpt2 = "RCPT TO:<q@b.example>\r\n";
const std::string chunk = "BDAT 1000 LAST\r\n";
const std::string flight = mail + rcpt1 + rcpt2 + chunk;
const std::string offers = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

std::vector<event> offered(std::vector<event> more) {
  return behind_hello(offers, std::move(more));
}
/// One flight, the replies to its envelope, the reply to its chunk.
std::vector<event> one_flight(const std::string& envelope, const std::string& last) {
  return offered({send(), client(flight), content(), server(envelope), answer(last)});
}
row with(row r, std::uint64_t size, bool pipelining = true, bool chunking = true) {
  r.options = in_clear();
  r.options.use_pipelining = pipelining;
  r.options.use_chunking = chunking;
  r.size = size;
  return r;
}
row lie(row r) {
  r.is_lie = true;
  return r;
}

}  // namespace

TEST_CASE("envelope and content leave in one flight with PIPELINING and CHUNKING") {
  run_all({
      {"delivered", one_flight("250 m\r\n250 a\r\n250 b\r\n", "250 queued\r\n"), ready,
       "content 250, content 250"},
      {"one is refused", one_flight("250 m\r\n550 a\r\n250 b\r\n", "250 queued\r\n"), ready,
       "rcpt 550, content 250"},
      {"the content is refused", one_flight("250 m\r\n250 a\r\n450 b\r\n", "552 big\r\n"), ready,
       "content 552, rcpt 450"},
      {"all are refused: the reply to the chunk is nobody's",
       one_flight("250 m\r\n550 a\r\n450 b\r\n", "554 no valid recipients\r\n"), ready,
       "rcpt 550, rcpt 450"},
      {"all are refused and the chunk is taken",
       one_flight("250 m\r\n550 a\r\n450 b\r\n", "250 queued\r\n"), ready, "rcpt 550, rcpt 450"},
      {"MAIL is refused", one_flight("550 m\r\n503 a\r\n503 b\r\n", "503 c\r\n"), ready,
       "mail 550, mail 550"},
      {"RSET behind a chunk that was refused",
       offered({send(), client(flight), content(), server("250 m\r\n550 a\r\n550 b\r\n503 c\r\n"),
                send(), client("RSET\r\n" + flight), content(),
                server("250 r\r\n250 m\r\n250 a\r\n250 b\r\n"), answer("250 ok\r\n")}),
       ready, "content 250, content 250"},
      {"no RSET behind a chunk that was taken",
       offered({send(), client(flight), content(), server("250 m\r\n250 a\r\n550 b\r\n"),
                answer("250 c\r\n"), send(), client(flight), content(),
                server("450 m\r\n503 a\r\n503 b\r\n503 c\r\n")}),
       ready, "content 250, rcpt 550 | mail 450, mail 450"},
      with({"just small enough for one flight",
            offered({send(), client(mail + rcpt1 + rcpt2 + "BDAT 262144 LAST\r\n"), content(),
                     server("250 m\r\n250 a\r\n250 b\r\n"), answer("250 ok\r\n")}),
            ready, "content 250, content 250"},
           256 * 1024),
      with({"too large for one flight",
            offered({send(), client(mail + rcpt1 + rcpt2), server("250 m\r\n250 a\r\n450 b\r\n"),
                     client("BDAT 262145 LAST\r\n"), content(), server("250 ok\r\n")}),
            ready, "content 250, rcpt 450"},
           256 * 1024 + 1),
      with({"too large for one flight, and nobody is accepted: RSET before the next",
            offered({send(), client(mail + rcpt1 + rcpt2), server("250 m\r\n550 a\r\n450 b\r\n"),
                     send(), client("RSET\r\n" + mail + rcpt1 + rcpt2),
                     server("250 r\r\n550 m\r\n503 a\r\n503 b\r\n")}),
            ready, "rcpt 550, rcpt 450 | mail 550, mail 550"},
           256 * 1024 + 1),
      {"an empty content",
       offered({send(), client(mail + rcpt1 + rcpt2 + "BDAT 0 LAST\r\n"), content(),
                server("250 m\r\n250 a\r\n250 b\r\n"), answer("250 ok\r\n")}),
       ready,
       "content 250, content 250",
       "",
       in_clear(),
       {},
       {0, 1},
       0},
  });
}

TEST_CASE("CHUNKING without PIPELINING saves DATA") {
  const std::vector<event> steps{
      send(),        client(mail),        server("250 m\r\n"), client(rcpt1), server("450 a\r\n"),
      client(rcpt2), server("250 b\r\n"), client(chunk),       content(),     server("250 ok\r\n")};
  run_all({
      {"not offered", behind_hello("250-mx\r\n250 CHUNKING\r\n", steps), ready,
       "rcpt 450, content 250"},
      with({"not to be used", offered(steps), ready, "rcpt 450, content 250"}, 1000, false),
      with({"CHUNKING is not to be used",
            offered({send(), client(mail + rcpt1 + rcpt2 + "DATA\r\n"),
                     server("250 m\r\n250 a\r\n550 b\r\n354 go\r\n"), content(),
                     server("250 ok\r\n")}),
            ready, "content 250, rcpt 550"},
           1000, true, false),
  });
}

TEST_CASE("binary content goes by BDAT or not at all") {
  const std::string binary = "MAIL FROM:<s@a.example> BODY=BINARYMIME\r\n" + rcpt1 + rcpt2 + chunk;
  const std::string all = "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";
  std::vector<row> rows{
      {"in one flight",
       behind_hello(all, {send(), client(binary), content(), server("250 m\r\n250 a\r\n550 b\r\n"),
                          answer("250 ok\r\n")}),
       ready, "content 250, rcpt 550"},
      {"CHUNKING alone", behind_hello("250-mx\r\n250 CHUNKING\r\n", {send(), client("")}), ready,
       "no binary, no binary"},
      {"BINARYMIME alone", behind_hello("250-mx\r\n250 BINARYMIME\r\n", {send(), client("")}),
       ready, "no binary, no binary"},
      with({"CHUNKING is not to be used", behind_hello(all, {send(), client("")}), ready,
            "no binary, no binary"},
           1000, true, false),
  };
  for (auto& r : rows) r.body = body_type::binary_mime;
  run_all(rows);
}

TEST_CASE("a reply left over behind that to a chunk makes the chunk doubtful") {
  auto script = GENERATE(values<row>({
      lie({"behind it", one_flight("250 m\r\n250 a\r\n550 b\r\n", "250 ok\r\n250 ok\r\n"), failed,
           "content -, rcpt 550", "end of DATA: protocol error"}),
      lie({"before it",
           offered({send(), client(flight), content(),
                    server("250 m\r\n250 extra\r\n250 a\r\n250 b\r\n554 refused\r\n")}),
           failed, "content -, content -", "end of DATA: protocol error"}),
      lie({"an incomplete one", one_flight("250 m\r\n250 a\r\n550 b\r\n", "250 ok\r\n25"), failed,
           "content -, rcpt 550", "end of DATA: protocol error"}),
  }));
  INFO(script.name);
  script.options = in_clear();
  script.message = two_recipients();
  // As one packet: what comes later cannot be known.
  run r(script);
  check_end(script, r, r.play({}));
}

TEST_CASE("a reply too many is not credited to a chunk that waited for its recipients") {
  const std::vector<event> one_by_one{send(),
                                      client(mail),
                                      server("250 2.1.0 m\r\n"),
                                      client(rcpt1),
                                      server("250 2.1.0 m again\r\n"),
                                      client(rcpt2),
                                      server("250 2.1.5 a\r\n"),
                                      client(chunk),
                                      content(),
                                      server("250 2.1.5 b\r\n")};
  run_all({
      lie({"without PIPELINING", behind_hello("250-mx\r\n250 CHUNKING\r\n", one_by_one), failed,
           "content -, content -", "end of DATA: protocol error"}),
      lie(with({"too large for one flight",
                offered({send(), client(mail + rcpt1 + rcpt2),
                         server("250 2.1.0 m\r\n250 2.1.0 m again\r\n250 2.1.5 a\r\n"),
                         client("BDAT 262145 LAST\r\n"), content(), server("250 2.1.5 b\r\n")}),
                failed, "content -, content -", "end of DATA: protocol error"},
               256 * 1024 + 1)),
  });
}

TEST_CASE("a host whose replies did not fit once gets DATA where that will do") {
  const std::string all = "250-mx\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";
  const std::string binary = "MAIL FROM:<s@a.example> BODY=BINARYMIME\r\n";
  std::vector<row> rows{
      {"text",
       behind_hello(all,
                    {send(), client(mail), server("250 m\r\n"), client(rcpt1), server("250 a\r\n"),
                     client(rcpt2), server("250 b\r\n"), client("DATA\r\n"), server("354 go\r\n"),
                     content(), answer("250 2.1.5 queued\r\n")}),
       ready, "content 250, content 250"},
      {"binary",
       behind_hello(all, {send(), client(binary), server("250 m\r\n"), client(rcpt1),
                          server("250 a\r\n"), client(rcpt2), server("250 b\r\n"), client(chunk),
                          content(), answer("250 queued\r\n")}),
       ready, "content 250, content 250"},
  };
  rows[1].body = body_type::binary_mime;
  for (auto& r : rows) {
    r.options = in_clear();
    r.options.prefers_data = true;
  }
  run_all(rows);
}

TEST_CASE("what breaks a flight with its content in it") {
  run_all({
      {"421 to MAIL: nobody may have it", one_flight("421 bye\r\n", ""), failed,
       "mail 421, mail 421", "MAIL FROM: 421 bye"},
      {"421 to RCPT: nobody may have it", one_flight("250 m\r\n250 a\r\n421 bye\r\n", ""), failed,
       "rcpt -, rcpt 421", "RCPT TO: 421 bye"},
      {"421 to the chunk", one_flight("250 m\r\n250 a\r\n550 b\r\n", "421 bye\r\n"), failed,
       "content 421, rcpt 550", "end of DATA: 421 bye"},
      lie({"rubbish to MAIL: they may have it all the same", one_flight("what\r\n", ""), failed,
           "content -, content -", "MAIL FROM: protocol error"}),
      lie({"354 to MAIL", one_flight("354 go\r\n", ""), failed, "content -, content -",
           "MAIL FROM: protocol error"}),
      lie({"354 to the chunk", one_flight("250 m\r\n250 a\r\n550 b\r\n", "354 go\r\n"), failed,
           "content -, rcpt 550", "end of DATA: protocol error"}),
      lie({"the reply to the chunk speaks of an address",
           one_flight("250 2.1.0 m\r\n250 2.1.0 m again\r\n250 2.1.5 a\r\n", "250 2.1.5 b\r\n"),
           failed, "content -, content -", "end of DATA: protocol error"}),
      lie({"the content was run as commands",
           one_flight("250 m\r\n550 a\r\n550 b\r\n",
                      "502 what is BDAT\r\n500 what\r\n500 what\r\n"),
           failed, "rcpt 550, rcpt 550", "end of DATA: protocol error"}),
      lie({"503 to RCPT behind an accepted MAIL, others delivered",
           one_flight("250 m\r\n503 a\r\n250 b\r\n", "250 ok\r\n"), failed, "rcpt -, content 250",
           "end of DATA: protocol error"}),
      lie({"503 to everything behind an accepted MAIL",
           one_flight("250 m\r\n503 a\r\n503 b\r\n", "503 c\r\n"), failed, "rcpt -, rcpt -",
           "end of DATA: protocol error"}),
      lie({"503 to the chunk behind an accepted RCPT",
           one_flight("250 m\r\n250 a\r\n550 b\r\n", "503 c\r\n"), failed, "data -, rcpt 550",
           "end of DATA: protocol error"}),
  });
  row honest = with({"503 to the chunk command by command is an answer",
                     offered({send(), client(mail), server("250 m\r\n"), client(rcpt1),
                              server("503 a\r\n"), client(rcpt2), server("250 b\r\n"),
                              client(chunk), content(), server("503 no\r\n")}),
                     ready, "rcpt 503, content 503"},
                    1000, false);
  run_all({honest});
}
