// What a listener's settings change in its sessions: texts of replies, extensions, the whole way of
// a submission; and ends of connections without a word.
#include <catch2/catch.hpp>

#include "unit/tls/pki.hpp"
#include "users_scene.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

void with_certificate(relay_scene& r) {
  static const pki directory;
  wanted_certificate wanted;
  wanted.common_name = "relay.test";
  static const auto saved = directory.make("relay", wanted);
  r.relay.settings.tls.certificates = {saved};
}

const turn starttls = turn("STARTTLS\r\n", "220 2.0.0 relay.test Ready to start TLS\r\n").awaited();

TEST_CASE("the text of a reply is that of the configuration") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.replies = {{"relay_denied", "Not to {}: call the postmaster", {}},
                                {"greeting", "{} at your service", {}}};
  };
  s.turns = {
      {"", "220 relay.test at your service\r\n"},
      ehlo(),
      mail,
      {"RCPT TO:<you@far.test>\r\n", "550 5.7.1 Not to you@far.test: call the postmaster\r\n"},
      quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.log.count("550 5.7.1 Not to you@far.test: call the postmaster; from=") == 1);
  };
  // The id cannot be told from the text any more.
  check_session(s);
}

TEST_CASE("an extension that a listener does not offer is neither announced nor taken") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.listeners[0].extensions_off = {"CHUNKING", "DSN"};
  };
  auto hello = ehlo();
  for (const std::string keyword : {"250-CHUNKING\r\n", "250-BINARYMIME\r\n", "250-DSN\r\n"}) {
    hello.heard.erase(hello.heard.find(keyword), keyword.size());
  }
  s.turns = {greeting,
             hello,
             {"MAIL FROM:<me@c.test> RET=FULL\r\n",
              "555 5.5.4 Parameter of an extension that is not offered\r\n"},
             mail,
             rcpt,
             {"BDAT 0 LAST\r\n", "502 5.5.1 Command not implemented\r\n"},
             data,
             text,
             quit};
  check_session(s);
}

TEST_CASE("a submission from STARTTLS by AUTH to the next hop") {
  situation s;
  s.configure = [](relay_scene& r) {
    with_certificate(r);
    with_users(r);
    delivers(r);
    r.relay.settings.auth.without_tls = false;
    r.relay.settings.listeners[0].role = config::listener_role::submission;
  };
  offer clear;
  clear.starttls = true;
  clear.future_release = "604800 2026-11-28T00:00:00Z";
  offer encrypted = clear;
  encrypted.starttls = false;
  encrypted.require_tls = true;
  encrypted.auth = "PLAIN LOGIN";
  const turn joe{"MAIL FROM:<joe@c.test>\r\n", mail.heard};
  s.turns = {greeting,
             ehlo(clear),
             {mail.said, "530 5.7.0 Must issue a STARTTLS command first\r\n"},
             starttls,
             ehlo(encrypted).under_tls(),
             {mail.said, "530 5.7.0 Authentication required\r\n"},
             turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                  "235 2.7.0 Authentication successful\r\n")
                 .awaited(),
             joe,
             rcpt,
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.find(" with ESMTPSA id ") != std::string::npos);
    REQUIRE(content.find("\r\nFrom: joe@c.test\r\n") != std::string::npos);
  };
  check_session(s);
}

TEST_CASE("who is silent instead of a handshake is let go") {
  situation s;
  s.configure = with_certificate;
  offer clear;
  clear.starttls = true;
  s.turns = {greeting, ehlo(clear), starttls};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed > 30s);
    REQUIRE(r.world.clock.elapsed < 31s);
  };
  check_session(s);
}

TEST_CASE("reply no_storage: no memory is left for the first octets of a message") {
  situation s;
  s.configure = [](relay_scene& r) { r.relay.settings.limits.memory = 1_KiB; };
  s.turns = {greeting, ehlo(), mail,
             rcpt,     data,   {text.said, "452 4.3.1 Not enough storage, try again later\r\n"},
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().empty());
  };
  check_reply(reply_id::no_storage, s);
}

}  // namespace
}  // namespace relais::testing
