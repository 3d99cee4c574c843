// Replies of AUTH, through the real authenticator with a users file, and what a login is worth.
#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "users_scene.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::reply_id;

const turn accepted(const std::string& said) {
  return turn(said + "\r\n", "235 2.7.0 Authentication successful\r\n").awaited();
}

turn refused(const std::string& said) {
  return turn(said + "\r\n", "535 5.7.8 Authentication credentials invalid\r\n").awaited();
}

turn challenged(const std::string& said, const std::string& challenge) {
  return turn(said + "\r\n", "334 " + base64_encode(challenge) + "\r\n").awaited();
}

turn hello() {
  offer o;
  o.auth = "PLAIN LOGIN";
  return ehlo(o);
}

situation with_login(std::vector<turn> turns) {
  situation s;
  s.configure = with_users;
  s.turns = {greeting, hello()};
  s.turns.insert(s.turns.end(), turns.begin(), turns.end());
  s.turns.push_back(quit);
  return s;
}

scene_action logs(std::string part) {
  return [part = std::move(part)](relay_scene& s) { REQUIRE(s.relay.log.count(part) == 1); };
}

const turn far{"RCPT TO:<you@far.test>\r\n", "250 2.1.5 Ok\r\n"};
const turn from_joe{"MAIL FROM:<joe@c.test>\r\n", "250 2.1.0 Ok\r\n"};

TEST_CASE("reply authenticated: PLAIN with its response at once") {
  auto s =
      with_login({accepted("AUTH PLAIN " + plain("joe", "secret")), from_joe, far, data, text});
  s.afterwards = logs("sasl_method=PLAIN, sasl_username=joe");
  check_reply(reply_id::authenticated, s);
}

TEST_CASE("reply authenticated: LOGIN") {
  auto s = with_login({challenged("AUTH LOGIN", "Username:"),
                       challenged(base64_encode("joe"), "Password:"),
                       accepted(base64_encode("secret")), from_joe, far, data, text});
  s.afterwards = logs("sasl_method=LOGIN, sasl_username=joe");
  check_reply(reply_id::authenticated, s);
}

TEST_CASE("reply authenticated: a token") {
  offer o;
  o.auth = "OAUTHBEARER XOAUTH2";
  situation s;
  s.configure = with_tokens;
  s.turns = {greeting, ehlo(o), accepted("AUTH XOAUTH2 " + token_for_us()), from_joe, far, quit};
  check_reply(reply_id::authenticated, s);
}

TEST_CASE("reply auth_challenge: PLAIN without a response") {
  check_reply(reply_id::auth_challenge,
              with_login({challenged("AUTH PLAIN", ""), accepted(plain("joe", "secret"))}));
}

TEST_CASE("reply auth_failed: a wrong password is answered late") {
  auto s = with_login({refused("AUTH PLAIN " + plain("joe", "wrong")),
                       from_joe,
                       {far.said, "550 5.7.1 <you@far.test>: Relay access denied\r\n"}});
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.world.clock.elapsed >= 1s);
    REQUIRE(r.relay.log.count("SASL PLAIN authentication failed") == 1);
    REQUIRE(r.relay.log.count("wrong\"") == 0);
  };
  check_reply(reply_id::auth_failed, s);
}

TEST_CASE("reply auth_failed: a user that does not exist looks like a wrong password") {
  auto s = with_login({refused("AUTH PLAIN " + plain("nobody", "secret"))});
  s.only_by_turns = true;  // the hash that is computed for nobody is a dear one
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed >= 1s); };
  check_reply(reply_id::auth_failed, s);
}

TEST_CASE("reply account_disabled: the right password of an account that is shut") {
  check_reply(reply_id::account_disabled,
              with_login({turn("AUTH PLAIN " + plain("shut", "secret") + "\r\n",
                               "525 5.7.13 Account is disabled\r\n")
                              .awaited()}));
}

TEST_CASE("reply mechanism_too_weak: PLAIN for an account that has a SCRAM record only") {
  check_reply(reply_id::mechanism_too_weak,
              with_login({turn("AUTH PLAIN " + plain("scrammer", "secret") + "\r\n",
                               "534 5.7.9 Mechanism is too weak for this account\r\n")
                              .awaited()}));
}

TEST_CASE("reply trust_required: a token for another service") {
  offer o;
  o.auth = "OAUTHBEARER XOAUTH2";
  situation s;
  s.configure = with_tokens;
  s.turns = {greeting, ehlo(o),
             challenged("AUTH XOAUTH2 " + token_for_another(),
                        R"({"status":"401","schemes":"bearer","scope":"mail"})"),
             turn("\r\n", "535 5.7.14 The token was issued for another service\r\n").awaited(),
             quit};
  check_reply(reply_id::trust_required, s);
}

TEST_CASE("reply auth_unavailable: the backend is down") {
  situation s;
  s.configure = [](relay_scene& r) {
    r.relay.settings.auth.dovecot_socket = "/run/nobody/listens";
    r.relay.settings.auth.without_tls = true;
  };
  const turn unavailable = turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                                "454 4.7.0 Authentication is not available for the moment\r\n")
                               .awaited();
  // However often: it is no guess.
  s.turns = {greeting, hello(), unavailable, unavailable, unavailable, unavailable, quit};
  check_reply(reply_id::auth_unavailable, s);
}

TEST_CASE("reply password_transition_needed: the backend wants another password first") {
  situation s;
  s.configure = [](relay_scene& r) { with_dovecot(r, "FAIL\t1\tuser=joe\tcode=pass_expired\n"); };
  s.turns = {greeting, hello(),
             turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                  "432 4.7.12 A password transition is needed\r\n")
                 .awaited(),
             quit};
  check_reply(reply_id::password_transition_needed, s);
}

TEST_CASE("reply too_many_auth_failures: on one connection") {
  auto s = with_login({});
  s.configure = [](relay_scene& r) {
    with_users(r);
    r.relay.settings.auth.failures_per_connection = 2;
  };
  const auto guess = "AUTH PLAIN " + plain("joe", "wrong");
  s.turns.back() = refused(guess);
  s.turns.push_back(
      {guess + "\r\n", "421 4.7.0 relay.test Too many failed logins, closing connection\r\n"});
  // A second before the first reply, two before the other.
  s.afterwards = [](relay_scene& r) { REQUIRE(r.world.clock.elapsed >= 3s); };
  check_reply(reply_id::too_many_auth_failures, s);
}

TEST_CASE("reply too_many_auth_failures: of one address for whatever it says") {
  auto s = with_login({});
  s.configure = [](relay_scene& r) {
    with_users(r);
    r.relay.settings.auth.failures_per_client = 2;
  };
  const auto guess = "EHLO c.test\r\nAUTH PLAIN " + plain("joe", "wrong") + "\r\n";
  s.beside = {{stranger, guess, 3}, {stranger, guess, 3}};
  s.turns.back() = {"AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                    "421 4.7.0 relay.test Too many failed logins, closing connection\r\n"};
  check_reply(reply_id::too_many_auth_failures, s);
}

TEST_CASE("reply auth_cancelled: and another attempt succeeds") {
  check_reply(reply_id::auth_cancelled,
              with_login({challenged("AUTH LOGIN", "Username:"),
                          turn("*\r\n", "501 5.7.0 Authentication cancelled\r\n").awaited(),
                          accepted("AUTH PLAIN " + plain("joe", "secret"))}));
}

TEST_CASE("reply base64_undecodable: within an exchange") {
  auto s = with_login({challenged("AUTH LOGIN", "Username:"),
                       turn("!\r\n", "501 5.5.2 Response is no valid base64\r\n").awaited(),
                       {"NOOP\r\n", "250 2.0.0 Ok\r\n"}});
  s.afterwards = logs("the exchange was broken off");
  check_reply(reply_id::base64_undecodable, s);
}

TEST_CASE("reply auth_required: MAIL where AUTH is demanded") {
  auto s = with_login({{mail.said, "530 5.7.0 Authentication required\r\n"},
                       accepted("AUTH PLAIN " + plain("joe", "secret")),
                       from_joe,
                       far});
  s.configure = [](relay_scene& r) {
    with_users(r);
    r.relay.settings.listeners[0].require_auth = config::tristate::yes;
  };
  check_reply(reply_id::auth_required, s);
}

TEST_CASE("reply auth_twice: AUTH behind a login") {
  check_reply(reply_id::auth_twice,
              with_login({accepted("AUTH PLAIN " + plain("joe", "secret")),
                          turn("AUTH LOGIN\r\n", "503 5.5.1 Already authenticated\r\n").awaited(),
                          from_joe}));
}

TEST_CASE("reply sender_not_allowed: a login may only use its own addresses") {
  const turn denied{mail.said, "553 5.7.1 <me@c.test>: Sender address not allowed for you\r\n"};
  auto s = with_login({accepted("AUTH PLAIN " + plain("joe", "secret")), denied, from_joe});
  s.afterwards = logs("sasl_username=joe");
  s.afterwards = {};
  check_reply(reply_id::sender_not_allowed, s);
  // An address as user name stands for itself.
  s.turns[2] = accepted("AUTH PLAIN " + plain("jane@c.test", "secret"));
  s.turns[4] = {"MAIL FROM:<jane@c.test>\r\n", "250 2.1.0 Ok\r\n"};
  check_reply(reply_id::sender_not_allowed, s);
  // Unless the configuration does not bind.
  s.configure = [](relay_scene& r) {
    with_users(r);
    r.relay.settings.auth.bind_sender = false;
  };
  s.turns = {greeting, hello(), accepted("AUTH PLAIN " + plain("joe", "secret")), mail, quit};
  check_session(s);
}

TEST_CASE("reply bare_newline: of a stranger while a client that has logged in is helped") {
  auto s = with_login({accepted("AUTH PLAIN " + plain("joe", "secret")),
                       {"MAIL FROM:<joe@c.test>\n", "250 2.1.0 Ok\r\n"},
                       far,
                       data,
                       {"Subject: x\n\nbody\n.\r\n.\r\n", text.heard}});
  check_session(s);
  s.turns = {
      greeting, hello(), {"MAIL FROM:<joe@c.test>\n", "550 5.5.2 Lines must end in <CR><LF>\r\n"}};
  check_reply(reply_id::bare_newline, s);
}

TEST_CASE("AUTH is not offered in clear without permission") {
  situation s;
  s.configure = [](relay_scene& r) {
    with_users(r);
    r.relay.settings.auth.without_tls = false;
  };
  s.turns = {
      greeting, ehlo(),
      turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n", "502 5.5.1 AUTH is not offered\r\n")
          .awaited(),
      quit};
  check_reply(reply_id::auth_not_offered, s);
}

}  // namespace
}  // namespace relais::testing
