// Replies about TLS: STARTTLS in order, without a usable certificate, where TLS is demanded, and
// what a client certificate is worth.
#include <openssl/ssl.h>

#include <catch2/catch.hpp>

#include "unit/tls/pki.hpp"
#include "users_scene.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using smtp::reply_id;

const pki& files() {
  static const pki directory;
  return directory;
}

wanted_certificate relay_name() {
  wanted_certificate wanted;
  wanted.common_name = "relay.test";
  wanted.alternative_names = "DNS:relay.test";
  return wanted;
}

/// The relay has a certificate.
void with_certificate(relay_scene& r) {
  static const auto saved = files().make("relay", relay_name());
  r.relay.settings.tls.certificates = {saved};
}

scene_action with_listener(config::listener_tls tls) {
  return [tls](relay_scene& r) {
    with_certificate(r);
    r.relay.settings.listeners[0].tls = tls;
  };
}

offer offering_tls() {
  offer o;
  o.starttls = true;
  return o;
}

offer under_tls() {
  offer o;
  o.require_tls = true;
  return o;
}

const turn starttls = turn("STARTTLS\r\n", "220 2.0.0 relay.test Ready to start TLS\r\n").awaited();

TEST_CASE("reply starttls_ready: the session begins anew under TLS") {
  situation s;
  s.configure = [](relay_scene& r) {
    with_certificate(r);
    delivers(r);
  };
  s.turns = {greeting, ehlo(offering_tls()), starttls,
             // What was said in clear is forgotten.
             turn(mail.said, "503 Send HELO or EHLO first\r\n").under_tls(), ehlo(under_tls()),
             mail, rcpt, data, text, quit};
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.find(" with ESMTPS id ") != std::string::npos);
    REQUIRE(content.find("(using TLSv1.3 with cipher ") != std::string::npos);
    REQUIRE(r.relay.log.count("TLSv1.3 with cipher ") == 1);
  };
  check_reply(reply_id::starttls_ready, s);
}

TEST_CASE("a login in clear is worth nothing behind STARTTLS") {
  situation s;
  s.configure = [](relay_scene& r) {
    with_certificate(r);
    with_users(r);
  };
  auto before = offering_tls(), behind = under_tls();
  before.auth = behind.auth = "PLAIN LOGIN";
  s.turns = {greeting,
             ehlo(before),
             turn("AUTH PLAIN " + plain("joe", "secret") + "\r\n",
                  "235 2.7.0 Authentication successful\r\n")
                 .awaited(),
             starttls,
             ehlo(behind).under_tls(),
             mail,
             {"RCPT TO:<you@far.test>\r\n", "550 5.7.1 <you@far.test>: Relay access denied\r\n"},
             {"RCPT TO:<you@here.test>\n", "550 5.5.2 Lines must end in <CR><LF>\r\n"}};
  check_session(s);
}

TEST_CASE("reply greeting: under TLS from the first octet") {
  situation s;
  s.configure = with_listener(config::listener_tls::implicit);
  s.turns = {greeting.under_tls(),
             ehlo(under_tls()),
             {"STARTTLS\r\n", "503 5.5.1 TLS is already active\r\n"},
             mail,
             rcpt,
             data,
             text,
             quit};
  check_reply(reply_id::greeting, s);
}

TEST_CASE("reply tls_twice: STARTTLS behind STARTTLS") {
  situation s;
  s.configure = with_certificate;
  s.turns = {greeting,
             ehlo(offering_tls()),
             starttls,
             ehlo(under_tls()).under_tls(),
             {"STARTTLS\r\n", "503 5.5.1 TLS is already active\r\n"},
             quit};
  check_reply(reply_id::tls_twice, s);
}

TEST_CASE("reply tls_unavailable: no certificate is strong enough for the listener") {
  situation s;
  s.configure = [](relay_scene& r) {
    auto weak = relay_name();
    weak.key = "RSA-1024";
    static const auto saved = files().make("weak", weak);
    r.relay.settings.tls.certificates = {saved};
    // Old devices may use it; this listener demands more.
    r.relay.settings.tls.minimum_version = config::tls_version::v1_0;
    r.relay.settings.listeners[0].tls_minimum = config::tls_version::v1_2;
  };
  s.turns = {greeting,
             ehlo(offering_tls()),
             turn("STARTTLS\r\n", "454 4.7.0 TLS is not available for the moment\r\n").awaited(),
             mail,
             rcpt,
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.log.count("NOQUEUE: reject: STARTTLS from unknown[203.0.113.5]: 454 4.7.0 ") ==
            1);
  };
  check_reply(reply_id::tls_unavailable, s);
}

TEST_CASE("reply tls_required: mail in clear where TLS is demanded") {
  situation s;
  s.configure = with_listener(config::listener_tls::encrypt);
  s.turns = {greeting,
             ehlo(offering_tls()),
             {mail.said, "530 5.7.0 Must issue a STARTTLS command first\r\n"},
             starttls,
             ehlo(under_tls()).under_tls(),
             mail,
             quit};
  check_reply(reply_id::tls_required, s);
}

TEST_CASE("reply synchronization_error: a command in clear behind STARTTLS") {
  situation s;
  s.configure = with_certificate;
  s.only_by_turns = true;  // what comes later is taken for a handshake
  s.turns = {greeting,
             ehlo(offering_tls()),
             {"STARTTLS\r\nEHLO evil.test\r\n", "554 5.5.0 Protocol synchronization error\r\n"}};
  check_reply(reply_id::synchronization_error, s);
}

struct client_identity {
  identity made;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_client_method()),
                                                       SSL_CTX_free};
  client_identity() : made(issue(named())) {
    REQUIRE(SSL_CTX_use_certificate(context.get(), made.leaf.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context.get(), made.key.get()) == 1);
  }
  std::string fingerprint() const { return fingerprint_of(made.leaf.get()); }
  static wanted_certificate named() {
    wanted_certificate wanted;
    wanted.common_name = "printer";
    return wanted;
  }
};

TEST_CASE("a client certificate that is trusted may relay and another may not") {
  const client_identity known;
  situation s;
  s.configure = [&](relay_scene& r) {
    with_certificate(r);
    r.relay.settings.listeners[0].client_certificates = true;
    r.relay.settings.relay.trusted_certificates = {known.fingerprint()};
  };
  s.client_tls = known.context.get();
  const turn far{"RCPT TO:<you@far.test>\r\n", "250 2.1.5 Ok\r\n"};
  s.turns = {greeting, ehlo(offering_tls()), starttls, ehlo(under_tls()).under_tls(), mail, far,
             quit};
  s.afterwards = [](relay_scene& r) { REQUIRE(r.relay.log.count("(trusted)") == 1); };
  check_session(s);
  const client_identity other;
  s.client_tls = other.context.get();
  s.turns[5].heard = "550 5.7.1 <you@far.test>: Relay access denied\r\n";
  s.afterwards = [](relay_scene& r) { REQUIRE(r.relay.log.count("(trusted)") == 0); };
  check_session(s);
}

TEST_CASE("reply authenticated: EXTERNAL by the fingerprint of a client certificate") {
  const client_identity known;
  situation s;
  s.configure = [&](relay_scene& r) {
    with_certificate(r);
    r.relay.settings.listeners[0].client_certificates = true;
    r.relay.settings.auth.certificates = {{known.fingerprint(), "joe@c.test"}};
  };
  s.client_tls = known.context.get();
  auto with_auth = under_tls();
  with_auth.auth = "EXTERNAL";
  s.turns = {greeting,
             ehlo(offering_tls()),
             starttls,
             ehlo(with_auth).under_tls(),
             turn("AUTH EXTERNAL =\r\n", "235 2.7.0 Authentication successful\r\n").awaited(),
             {"MAIL FROM:<joe@c.test>\r\n", "250 2.1.0 Ok\r\n"},
             {"RCPT TO:<you@far.test>\r\n", "250 2.1.5 Ok\r\n"},
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.log.count("sasl_method=EXTERNAL, sasl_username=joe@c.test") == 1);
  };
  check_reply(reply_id::authenticated, s);
}

}  // namespace
}  // namespace relais::testing
