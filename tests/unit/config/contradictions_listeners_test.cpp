// Listeners that could not do what they say, with the rest of the configuration or by themselves.
#include <catch2/catch.hpp>
#include <string>

#include "settings_for_test.hpp"

using namespace relais::config;

namespace {

const std::string tls = "\ntls: {certificates: [/a.pem]}";
const std::string users = "\nauth: {users_file: /u}";
const std::string hex(64, 'a');

}  // namespace

TEST_CASE("listeners that could not work are mistakes at their item") {
  struct row {
    std::string yaml, mistake;
  };
  const auto r = GENERATE(values<row>({
      {"listeners: [\"*:25\", {address: \"*:587\", role: submission}]" + users,
       "t.yaml:1:21: listener *:587: it needs TLS, but tls.certificates is empty"},
      {"listeners: [\"*:25\", {address: \"*:587\", role: submission}]" + tls,
       "t.yaml:1:21: listener *:587: it demands AUTH, but nobody can log in: set auth.users_file "
       "or another "
       "backend"},
      {"listeners: [{address: \"*:25\", tls: may}]",
       "t.yaml:1:13: listener *:25: it needs TLS, but tls.certificates is empty"},
      {"listeners: [{address: \"*:25\", tls: encrypt}]",
       "t.yaml:1:13: listener *:25: it needs TLS, but tls.certificates is empty"},
      {"listeners: [{address: \"*:2465\", tls: implicit}]",
       "t.yaml:1:13: listener *:2465: it needs TLS, but tls.certificates is empty"},
      {"listeners: [{address: \"*:25\", require_auth: yes}]",
       "t.yaml:1:13: listener *:25: it demands AUTH, but nobody can log in: set auth.users_file or "
       "another "
       "backend"},
      {"listeners: [{address: \"*:25\", require_auth: yes}]\nauth: {users_file: /u, mechanisms: "
       "[]}",
       "t.yaml:1:13: listener *:25: it demands AUTH, but nobody can log in: set auth.users_file or "
       "another "
       "backend"},
      {"listeners: [\"*:465\"]" + tls,
       "t.yaml:1:13: listener *:465: clients of port 465 begin with TLS (RFC 8314): write tls: "
       "implicit, or "
       "role: submission"},
      {"listeners: [{address: \"127.0.0.1:465\", role: submission, tls: encrypt}]" + tls,
       "t.yaml:1:13: listener 127.0.0.1:465: clients of port 465 begin with TLS (RFC 8314): write "
       "tls: "
       "implicit, or role: submission"},
      {"listeners: [{address: \"[::1]:25\", tls: implicit}]" + tls,
       "t.yaml:1:13: listener [::1]:25: clients of port 25 begin in clear (RFC 5321): tls: "
       "implicit is for "
       "port 465"},
      {"listeners: [{address: \"*:25\", tls: none, client_certificates: yes}]",
       "t.yaml:1:13: listener *:25: client_certificates need TLS, and tls is none"},
      {"listeners: [{address: \"*:25\", tls: encrypt, extensions_off: [starttls]}]" + tls,
       "t.yaml:1:13: listener *:25: tls needs STARTTLS, which is in extensions_off"},
      {"listeners: [{address: \"*:587\", role: submission, extensions_off: [AUTH]}]" + tls + users,
       "t.yaml:1:13: listener *:587: AUTH is demanded, but also in extensions_off"},
      {"listeners: [{address: \"*:587\", role: submission, extensions_off: [STARTTLS]}]" + tls +
           users,
       "t.yaml:1:13: listener *:587: tls needs STARTTLS, which is in extensions_off"},
      {"listeners: [{address: \"*:25\", mode: 0600}]",
       "t.yaml:1:13: listener *:25: mode is for UNIX sockets only"},
      {"listeners: [\":25\", \"*:25\"]", "t.yaml:1:20: two listeners have the address *:25"},
      {"listeners: [/run/a, {address: /run/a}]",
       "t.yaml:1:21: two listeners have the address /run/a"},
      {"auth: {certificates: [{fingerprint: " + hex + ", user: a}]}",
       "t.yaml:1:22: auth.certificates is set, but no listener asks for certificates: set "
       "client_certificates there"},
      {"relay: {trusted_certificates: [" + hex + "]}",
       "t.yaml:1:31: relay.trusted_certificates is set, but no listener asks for certificates: set "
       "client_certificates there"},
  }));
  INFO(r.yaml);
  CHECK(mistakes(r.yaml) == std::vector<std::string>{r.mistake});
}

TEST_CASE("listeners that can work are accepted") {
  const std::string submission = "listeners: [{address: \"*:587\", role: submission}]";
  const auto yaml = GENERATE_COPY(
      submission + tls + users, "listeners: [{address: \"*:465\", role: submission}]" + tls + users,
      "listeners: [{address: \"*:465\", tls: implicit}]" + tls,
      submission + tls + "\nauth: {pam_service: smtp}",
      submission + tls + "\nauth: {dovecot_socket: /run/auth}",
      submission + tls + "\nauth: {tokens: {jwt_keys_file: /k}}",
      submission + tls + "\nauth: {tokens: {introspection_url: \"https://a.example/i\"}}",
      std::string("listeners: [{address: \"*:587\", role: submission, require_auth: no}]") + tls,
      std::string("listeners: [{address: \"127.0.0.1:587\", role: submission, tls: none}]") + users,
      std::string("listeners: [{address: /run/s, mode: 0600}]"),
      "listeners: [{address: \"*:25\", extensions_off: [STARTTLS, AUTH]}]" + tls,
      "listeners: [{address: \"*:25\", client_certificates: yes}]" + tls,
      std::string("listeners: [\"*:25\", \"127.0.0.1:2525\", \"systemd:a\", \"systemd:b\"]"),
      "listeners: [{address: \"*:587\", role: submission, client_certificates: yes}]\n"
      "tls: {certificates: [/a.pem], client_ca_file: /ca.pem}");
  INFO(yaml);
  CHECK(mistakes(yaml).empty());
}

TEST_CASE("keys of tokens and greylisting and logins must fit together") {
  struct row {
    std::string yaml, mistake;
  };
  const auto r = GENERATE(values<row>({
      {"auth: {tokens: {client_id: a}}",
       "t.yaml:1:28: auth.tokens.client_id is set, but not auth.tokens.introspection_url"},
      {"auth: {tokens: {introspection_url: \"http://a/\", client_secret: a}}",
       "t.yaml:1:64: auth.tokens.client_secret is set, but not auth.tokens.client_id"},
      {"auth: {tokens: {introspection_url: \"http://a/\", client_id: a, client_secret: a, "
       "client_secret_file: /x}}",
       "t.yaml:1:101: auth.tokens.client_secret and auth.tokens.client_secret_file are both set: "
       "keep one"},
      {"policy: {greylist: {delay: 1h, retry_window: 1h}}",
       "t.yaml:1:46: policy.greylist.retry_window (1h) is not longer than policy.greylist.delay "
       "(1h): nobody "
       "would ever pass"},
      {"listeners: [{address: \"*:25\", client_certificates: yes}]\n"
       "auth: {certificates: [{fingerprint: " +
           hex + ", user: a}, {fingerprint: " + std::string(64, 'A') + ", user: b}]}",
       "t.yaml:2:113: auth.certificates names two users for one fingerprint, the second is b"},
  }));
  INFO(r.yaml);
  CHECK(mistakes(r.yaml) == std::vector<std::string>{r.mistake});
}

TEST_CASE("a listener that is refused itself causes no second complaint") {
  CHECK(mistakes("listeners: [{address: \"*:587\", role: submission, tls: x}]").size() == 1);
  CHECK(mistakes("listeners: [{address: \"*:587\", role: submission}]\n"
                 "tls: {certificates: [{}]}\nauth: {users_file: [/x]}")
            .size() == 2);
}
