// Setting a session up: greeting, EHLO and its fallback, STARTTLS by level, AUTH, QUIT.
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

constexpr auto ready = client_action::ready;
constexpr auto failed = client_action::failed;
constexpr auto closed = client_action::closed;

client_options with(tls_level level, bool login = false) {
  auto options = in_clear();
  options.tls = level;
  if (login) options.login = credentials("user", "secret");
  return options;
}

const std::string hello = "EHLO us.example\r\n";
const std::string offers_tls = "250-mx.example hi\r\n250 STARTTLS\r\n";

}  // namespace

TEST_CASE("a session is set up from greeting to ready") {
  const auto r = GENERATE(values<row>({
      {"EHLO",
       {server("220 mx ESMTP\r\n"), client(hello), server("250 mx\r\n")},
       ready,
       "",
       "",
       in_clear()},
      {"a greeting of several lines",
       {server("220-mx\r\n220 ESMTP\r\n"), client(hello), server("250 mx\r\n")},
       ready,
       "",
       "",
       in_clear()},
      {"LF line ends",
       {server("220 mx\n"), client(hello), server("250-mx\n250 SIZE\n")},
       ready,
       "",
       "",
       in_clear()},
      {"greeting 554",
       {server("554 5.3.2 go away\r\n")},
       failed,
       "",
       "initial server greeting: 554 5.3.2 go away",
       in_clear()},
      {"greeting 421",
       {server("421 busy\r\n")},
       failed,
       "",
       "initial server greeting: 421 busy",
       in_clear()},
      {"greeting 250",
       {server("250 mx\r\n")},
       failed,
       "",
       "initial server greeting: protocol error",
       in_clear()},
      {"greeting of another protocol",
       {server("SSH-2.0-x\r\n")},
       failed,
       "",
       "initial server greeting: protocol error",
       in_clear()},
      {"a reply before its command",
       {server("220 mx\r\n250 mx\r\n")},
       failed,
       "",
       "EHLO: protocol error",
       in_clear()},
      {"half a reply before its command",
       {server("220 mx\r\n2")},
       failed,
       "",
       "EHLO: protocol error",
       in_clear()},
      {"HELO fallback",
       {server("220 mx\r\n"), client(hello), server("502 what\r\n"), client("HELO us.example\r\n"),
        server("250 mx\r\n")},
       ready,
       "",
       "",
       in_clear()},
      {"HELO refused, too",
       {server("220 mx\r\n"), client(hello), server("502 what\r\n"), client("HELO us.example\r\n"),
        server("550 no\r\n")},
       failed,
       "",
       "EHLO: 550 no",
       in_clear()},
      {"no HELO fallback behind 4xx",
       {server("220 mx\r\n"), client(hello), server("450 later\r\n")},
       failed,
       "",
       "EHLO: 450 later",
       in_clear()},
      {"no HELO fallback behind 421",
       {server("220 mx\r\n"), client(hello), server("421 bye\r\n")},
       failed,
       "",
       "EHLO: 421 bye",
       in_clear()},
      {"no HELO fallback if TLS is required",
       {server("220 mx\r\n"), client(hello), server("502 what\r\n")},
       failed,
       "",
       "EHLO: 502 what",
       with(tls_level::encrypt)},
      {"no HELO fallback with a login",
       {server("220 mx\r\n"), client(hello), server("502 what\r\n")},
       failed,
       "",
       "EHLO: 502 what",
       with(tls_level::may, true)},
      {"HELO fallback with opportunistic TLS",
       {server("220 mx\r\n"), client(hello), server("502 what\r\n"), client("HELO us.example\r\n"),
        server("250 mx\r\n")},
       ready,
       "",
       "",
       with(tls_level::may)},
      {"354 to EHLO",
       {server("220 mx\r\n"), client(hello), server("354 go\r\n")},
       failed,
       "",
       "EHLO: protocol error",
       in_clear()},
      {"QUIT",
       {server("220 mx\r\n"), client(hello), server("250 mx\r\n"), quit(), client("QUIT\r\n"),
        server("221 bye\r\n")},
       closed,
       "",
       "",
       in_clear()},
      {"QUIT answered oddly",
       {server("220 mx\r\n"), client(hello), server("250 mx\r\n"), quit(), client("QUIT\r\n"),
        server("421 bye\r\n")},
       closed,
       "",
       "",
       in_clear()},
  }));
  DYNAMIC_SECTION(r.name) {
    run_every_way(r);
  }
}

TEST_CASE("STARTTLS follows the level, and no level is lowered") {
  const auto r = GENERATE(values<row>({
      {"none: not even if offered",
       {server("220 mx\r\n"), client(hello), server(offers_tls)},
       ready,
       "",
       "",
       with(tls_level::none)},
      {"may: if offered",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("220 go\r\n"), handshake(), client(hello), server("250 mx\r\n")},
       ready,
       "",
       "",
       with(tls_level::may)},
      {"may: in clear if not offered",
       {server("220 mx\r\n"), client(hello), server("250 mx\r\n")},
       ready,
       "",
       "",
       with(tls_level::may)},
      {"may: in clear if refused for now",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("454 4.7.0 no\r\n")},
       ready,
       "",
       "",
       with(tls_level::may)},
      {"may: in clear if refused",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("502 no\r\n")},
       ready,
       "",
       "",
       with(tls_level::may)},
      {"may: 421 ends the session",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("421 bye\r\n")},
       failed,
       "",
       "STARTTLS: 421 bye",
       with(tls_level::may)},
      {"encrypt: offered",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("220 go\r\n"), handshake(), client(hello), server("250 mx\r\n")},
       ready,
       "",
       "",
       with(tls_level::encrypt)},
      {"encrypt: not offered",
       {server("220 mx\r\n"), client(hello), server("250 mx\r\n")},
       failed,
       "",
       "STARTTLS: TLS failure",
       with(tls_level::encrypt)},
      {"verify: not offered",
       {server("220 mx\r\n"), client(hello), server("250 mx\r\n")},
       failed,
       "",
       "STARTTLS: TLS failure",
       with(tls_level::verify)},
      {"encrypt: refused",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("454 4.7.0 no\r\n")},
       failed,
       "",
       "STARTTLS: 454 4.7.0 no",
       with(tls_level::encrypt)},
      {"250 to STARTTLS is no promise",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("250 ok\r\n")},
       failed,
       "",
       "STARTTLS: protocol error",
       with(tls_level::may)},
      {"a reply injected behind STARTTLS",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("220 go\r\n250 AUTH PLAIN\r\n")},
       failed,
       "",
       "STARTTLS: protocol error",
       with(tls_level::may)},
      {"one octet injected behind STARTTLS",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("220 go\r\n\n")},
       failed,
       "",
       "STARTTLS: protocol error",
       with(tls_level::encrypt)},
      {"STARTTLS offered again inside TLS is not used",
       {server("220 mx\r\n"), client(hello), server(offers_tls), client("STARTTLS\r\n"),
        server("220 go\r\n"), handshake(), client(hello), server(offers_tls)},
       ready,
       "",
       "",
       with(tls_level::verify)},
  }));
  DYNAMIC_SECTION(r.name) {
    run_every_way(r);
  }
}

TEST_CASE("a login is sent inside TLS only, by PLAIN, else by LOGIN") {
  const std::vector<event> up = {server("220 mx\r\n"),   client(hello),        server(offers_tls),
                                 client("STARTTLS\r\n"), server("220 go\r\n"), handshake(),
                                 client(hello)};
  const auto behind = [&](std::vector<event> more) {
    auto all = up;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const std::string plain = "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n";
  const std::vector<row> rows = {
      {"PLAIN",
       behind({server("250-mx\r\n250 AUTH LOGIN PLAIN\r\n"), client(plain),
               server("235 2.7.0 ok\r\n")}),
       ready},
      {"the legacy line AUTH=",
       behind({server("250-mx\r\n250 AUTH=PLAIN LOGIN\r\n"), client(plain), server("235 ok\r\n")}),
       ready},
      {"LOGIN",
       behind({server("250-mx\r\n250 auth login\r\n"), client("AUTH LOGIN\r\n"),
               server("334 VXNlcm5hbWU6\r\n"), client("dXNlcg==\r\n"),
               server("334 UGFzc3dvcmQ6\r\n"), client("c2VjcmV0\r\n"), server("235 ok\r\n")}),
       ready},
      {"PLAIN refused",
       behind({server("250-mx\r\n250 AUTH PLAIN\r\n"), client(plain), server("535 5.7.8 no\r\n")}),
       failed, "", "AUTH: 535 5.7.8 no"},
      {"PLAIN refused for now",
       behind({server("250-mx\r\n250 AUTH PLAIN\r\n"), client(plain), server("454 4.7.0 no\r\n")}),
       failed, "", "AUTH: 454 4.7.0 no"},
      {"LOGIN refused at the name",
       behind({server("250-mx\r\n250 AUTH LOGIN\r\n"), client("AUTH LOGIN\r\n"),
               server("334 x\r\n"), client("dXNlcg==\r\n"), server("535 no\r\n")}),
       failed, "", "AUTH: 535 no"},
      {"250 is no success of AUTH",
       behind({server("250-mx\r\n250 AUTH PLAIN\r\n"), client(plain), server("250 ok\r\n")}),
       failed, "", "AUTH: protocol error"},
      {"235 before the password",
       behind({server("250-mx\r\n250 AUTH LOGIN\r\n"), client("AUTH LOGIN\r\n"),
               server("235 ok\r\n")}),
       failed, "", "AUTH: protocol error"},
      {"PLAIN asked for more",
       behind({server("250-mx\r\n250 AUTH PLAIN\r\n"), client(plain), server("334 \r\n")}), failed,
       "", "AUTH: protocol error"},
      {"no known mechanism", behind({server("250-mx\r\n250 AUTH GSSAPI\r\n")}), failed, "",
       "AUTH: protocol error"},
      {"AUTH is not offered", behind({server("250 mx\r\n")}), failed, "", "AUTH: protocol error"},
      {"AUTH offered before TLS is forgotten",
       {server("220 mx\r\n"), client(hello), server("250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"),
        client("STARTTLS\r\n"), server("220 go\r\n"), handshake(), client(hello),
        server("250 mx\r\n")},
       failed,
       "",
       "AUTH: protocol error"},
      {"never in clear: STARTTLS is not offered",
       {server("220 mx\r\n"), client(hello), server("250-mx\r\n250 AUTH PLAIN\r\n")},
       failed,
       "",
       "AUTH: TLS failure"},
      {"never in clear: STARTTLS is refused",
       {server("220 mx\r\n"), client(hello), server("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"),
        client("STARTTLS\r\n"), server("454 no\r\n")},
       failed,
       "",
       "AUTH: TLS failure"},
  };
  for (auto r : rows) {
    r.options = with(tls_level::may, true);
    DYNAMIC_SECTION(r.name) {
      run_every_way(r);
    }
  }
  row clear{"a login with level none",
            {server("220 mx\r\n"), client(hello), server("250-mx\r\n250 AUTH PLAIN\r\n")},
            failed,
            "",
            "AUTH: TLS failure"};
  clear.options = with(tls_level::none, true);
  run_every_way(clear);
}

TEST_CASE("EHLO features are read without regard to case, and unknown ones ignored") {
  client_protocol p(in_clear());
  p.receive("220 mx\r\n");
  p.next();
  p.output_written(p.output().size());
  p.receive(
      "250-PIPELINING\r\n250-size 12345\r\n250-8BitMIME\r\n250-SMTPUTF8\r\n250-XFOO bar\r\n"
      "250-ENHANCEDSTATUSCODES\r\n250-AUTH CRAM-MD5 plain\r\n250 STARTTLS\r\n");
  CHECK(p.next() == ready);
  const auto& f = p.features();
  CHECK_FALSE(f.pipelining);  // the first line is a greeting, no keyword
  CHECK((f.ehlo && f.size && f.eight_bit_mime && f.smtputf8 && f.enhanced_status_codes &&
         f.starttls));
  CHECK(f.size_limit == 12345);
  CHECK((f.auth_plain && !f.auth_login));
}

TEST_CASE("a failed handshake fails the session, and TLS is known while it lasts") {
  client_protocol p(with(tls_level::may));
  const auto say = [&](std::string_view octets) {
    p.receive(octets);
    const auto action = p.next();
    p.output_written(p.output().size());
    return action;
  };
  say("220 mx\r\n");
  say(offers_tls);
  CHECK(p.step() == client_step::starttls);
  CHECK(say("220 go\r\n") == client_action::start_tls);
  CHECK_FALSE(p.is_tls());
  SECTION("failed") {
    p.tls_failed(errc::tls_failed);
    CHECK(p.next() == failed);
    CHECK(show(p.failure()) == "STARTTLS: TLS failure");
    p.abort(errc::timeout);  // what came first stays the reason
    CHECK(p.failure().error == errc::tls_failed);
  }
  SECTION("octets in clear during the handshake") {
    p.receive("x");
    p.tls_started();
    CHECK(p.next() == failed);
    CHECK_FALSE(p.is_tls());
  }
  SECTION("started") {
    p.tls_started();
    CHECK(p.is_tls());
    CHECK_FALSE(p.features().starttls);
    CHECK(p.output() == hello);
  }
}

TEST_CASE("the password is gone from the output buffer once written") {
  client_protocol p(with(tls_level::may, true));
  const auto say = [&](std::string_view octets) {
    p.receive(octets);
    p.next();
  };
  const auto write = [&] { p.output_written(p.output().size()); };
  say("220 mx\r\n"), write();
  say(offers_tls), write();
  say("220 go\r\n"), p.tls_started(), write();
  say("250-mx\r\n250 AUTH PLAIN\r\n");
  REQUIRE(p.output().starts_with("AUTH PLAIN "));
  const char* before = p.output().data();
  const auto size = p.output().size();
  const std::string encoded(before + 11, 16);
  p.output_written(5);  // a short write
  CHECK(p.output().size() == size - 5);
  p.output_written(size - 5);
  // The string keeps its storage, so its octets may still be looked at.
  CHECK(std::string(before + 11, 16) != encoded);
}
