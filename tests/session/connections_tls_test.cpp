// TLS towards hosts: levels, fall-back, resumption, names, our own certificate, and logins.
#include <algorithm>
#include <catch2/catch.hpp>

#include "session/connections_scene.hpp"
#include "unit/tls/pki.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using delivery::outcome;

// An authority, and hosts with certificates of it.
struct tls_scene {
  explicit tls_scene(std::string config = {}) : yaml(std::move(config)) {
    wanted_certificate ca;
    ca.common_name = "authority";
    ca.is_authority = true;
    authority = issue(ca);
    const auto saved = files.save("ca", authority);
    if (yaml.find("tls_ca_file") == std::string::npos) {
      replace("CA", saved.certificate);
    }
  }
  void replace(const std::string& word, const std::string& text) {
    for (auto at = yaml.find(word); at != std::string::npos; at = yaml.find(word, at)) {
      yaml.replace(at, word.size(), text);
    }
  }
  void begin() { scene.emplace(yaml); }
  connections_scene* operator->() { return &*scene; }

  /// A server context with a certificate for these names.
  SSL_CTX* context_for(const std::string& names) {
    wanted_certificate w;
    w.common_name = "host";
    w.alternative_names = names;
    const auto made = issue(w, &authority);
    fingerprint = fingerprint_of(made.leaf.get());
    contexts.emplace_back(SSL_CTX_new(TLS_server_method()));
    auto* c = contexts.back().get();
    SSL_CTX_use_certificate(c, made.leaf.get());
    SSL_CTX_use_PrivateKey(c, made.key.get());
    SSL_CTX_set_session_id_context(c, reinterpret_cast<const unsigned char*>("test"), 4);
    SSL_CTX_set_num_tickets(c, 1);
    return c;
  }

  pki files;
  identity authority;
  std::string yaml, fingerprint;
  std::vector<tls::context> contexts;
  std::optional<connections_scene> scene;
};

TEST_CASE("the next connection to a host goes on with its TLS session") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  CAPTURE(version);
  tls_scene s;
  s.begin();
  auto& mx = s->add("192.0.2.1", "far.test");
  mx.tls = s.context_for("DNS:mx1.test");
  SSL_CTX_set_max_proto_version(mx.tls, version);
  for (int i = 0; i < 3; ++i) {
    s->visit("b@far.test");
    s->pass(10s);
  }
  CHECK(mx.handshakes == 3);
  CHECK(mx.resumed == 2);
  CHECK(mx.server_name == "mx1.test");
}

TEST_CASE("a TLS session of one policy or host does not serve another") {
  tls_scene s(
      "routes: [{recipients: [a.test], next_hops: [\"[mx1.test]\"]},"
      " {recipients: [b.test], next_hops: [\"[mx1.test]\"], tls: encrypt},"
      " {recipients: [c.test], next_hops: [\"[mx1.test]\"], hello: c.test}]");
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test");
  for (const auto* to : {"x@a.test", "x@b.test", "x@c.test"}) {
    CHECK_FALSE(s->visit(to).empty());
    s->pass(10s);
  }
  CHECK(mx.handshakes == 3);
  CHECK(mx.resumed == 0);
  s->visit("x@b.test");
  CHECK(mx.resumed == 1);
}

TEST_CASE("TLS that fails where it need not be is left alone for an hour") {
  tls_scene s;
  s.begin();
  auto& mx = s->add("192.0.2.1", "far.test");
  mx.tls = s.context_for("DNS:mx1.test");
  mx.breaks_tls = true;
  CHECK_FALSE(s->visit("b@far.test").empty());
  CHECK(mx.count("STARTTLS") == 1);
  CHECK(mx.connections == 2);
  REQUIRE(s->notices.texts.size() == 1);
  CHECK(s->notices.texts[0].starts_with("TLS failed with mx1.test[192.0.2.1]:25, mail goes there"));
  s->pass(10min);
  CHECK_FALSE(s->visit("b@far.test").empty());
  CHECK(mx.count("STARTTLS") == 1);
  CHECK(mx.connections == 3);
  s->pass(50min);
  mx.breaks_tls = false;
  auto got = s->reach("b@far.test");
  REQUIRE(got.session);
  CHECK_FALSE(got.session->tls_description().empty());
  CHECK(mx.count("STARTTLS") == 2);
  CHECK(s->notices.texts.size() == 1);
}

TEST_CASE("what was learnt at a level that allows clear is nothing to one that does not") {
  tls_scene s(
      "routes: [{recipients: [a.test], next_hops: [\"[mx1.test]\", \"[mx2.test], preference 9\"]},"
      " {recipients: [b.test], next_hops: [\"[mx1.test]\", \"[mx2.test], preference 9\"],"
      " tls: encrypt}]");
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test");
  mx.breaks_tls = true;
  CHECK(s->visit("x@a.test") == "mx1.test[192.0.2.1]:25");
  CHECK(mx.count("STARTTLS") == 1);
  // Neither the idle session in clear nor a new one.
  const auto failed = s->reach("x@b.test");
  CHECK_FALSE(failed.session);
  CHECK(failed.why.what == outcome::deferred);
  CHECK(mx.count("STARTTLS") == 2);
  // It is not dead for that: others have mail for it, and it may be repaired.
  mx.breaks_tls = false;
  s->pass(1min);
  auto got = s->reach("x@b.test");
  REQUIRE(got.session);
  CHECK_FALSE(got.session->tls_description().empty());
}

TEST_CASE("a host without the TLS that is required makes place for the next one") {
  tls_scene s("delivery: {tls: encrypt}");
  s.begin();
  s->add("192.0.2.1", "far.test", 5);
  s->add("192.0.2.2", "far.test", 10).tls = s.context_for("DNS:mx2.test");
  CHECK(s->visit("b@far.test") == "mx2.test[192.0.2.2]:25");
}

TEST_CASE("which names of a certificate are accepted") {
  struct row {
    std::string name, certificate, verify_names;
    bool is_accepted;
  };
  const auto r = GENERATE(values<row>({
      {"the name of the host", "DNS:mx1.test", "", true},
      {"a wildcard for it", "DNS:*.test", "", false},  // of a top-level domain
      {"another name", "DNS:mx9.test", "", false},
      {"a name that is wanted", "DNS:relay.example", "relay.example", true},
      {"one of those that are wanted", "DNS:b.example", "a.example, b.example", true},
      {"none of those that are wanted", "DNS:mx1.test", "a.example, b.example", false},
      {"any name below a domain", "DNS:x.relay.example", ".relay.example", true},
      {"far below it", "DNS:y.x.relay.example", ".relay.example", true},
      {"a wildcard below it", "DNS:*.relay.example", ".relay.example", true},
      {"the domain itself", "DNS:relay.example", ".relay.example", false},
      {"a domain that ends alike", "DNS:badrelay.example", ".relay.example", false},
  }));
  DYNAMIC_SECTION(r.name) {
    tls_scene s("routes: [{next_hops: [\"[mx1.test]\"], tls: verify, tls_ca_file: CA.pem" +
                (r.verify_names.empty() ? "" : ", verify_names: [" + r.verify_names + "]") + "}]");
    s.replace("CA.pem", s.files.path("ca.pem"));
    s.begin();
    auto& mx = s->add("192.0.2.1");
    mx.tls = s.context_for(r.certificate);
    auto got = s->reach("b@far.test");
    CHECK((got.session != nullptr) == r.is_accepted);
    if (!r.is_accepted) {
      CHECK(got.why.status == "4.7.5");
      CHECK(got.why.what == outcome::deferred);
      CHECK(got.why.reason.find("certificate: hostname mismatch") != std::string::npos);
    }
    if (r.is_accepted) CHECK(mx.server_name == "mx1.test");
  }
}

TEST_CASE("a certificate that nobody vouches for is refused at verify and taken at encrypt") {
  const bool verifies = GENERATE(false, true);
  tls_scene s(std::string("delivery: {tls: ") + (verifies ? "verify" : "encrypt") + "}");
  s.begin();
  auto& mx = s->add("192.0.2.1", "far.test");
  mx.tls = s.context_for("DNS:mx1.test");
  auto got = s->reach("b@far.test");
  CHECK((got.session != nullptr) != verifies);
}

TEST_CASE("a verified session is nothing to a host of another name") {
  tls_scene s("delivery: {tls: verify, tls_ca_file: CA.pem}");
  s.replace("CA.pem", s.files.path("ca.pem"));
  s.begin();
  auto& mx = s->add("192.0.2.1", "one.test", 10, "mx1.test");
  s->dns.add_mx("two.test", 10, "alias.test");
  s->dns.add_address("alias.test", "192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test,DNS:alias.test");
  CHECK_FALSE(s->visit("b@one.test").empty());
  CHECK_FALSE(s->visit("b@two.test").empty());
  CHECK(mx.connections == 2);
  CHECK(mx.resumed == 0);
  CHECK(mx.server_name == "alias.test");
}

TEST_CASE("a certificate of our own is shown where the route has one") {
  tls_scene s(
      "routes: [{recipients: [a.test], next_hops: [\"[mx1.test]\"], tls_certificate: OWN.pem,"
      " tls_key: OWN.key}, {recipients: [b.test], next_hops: [\"[mx1.test]\"]}]");
  wanted_certificate own;
  own.common_name = "relay.here.test";
  s.files.save("own", issue(own, &s.authority));
  s.replace("OWN.pem", s.files.path("own.pem"));
  s.replace("OWN.key", s.files.path("own.key"));
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test");
  SSL_CTX_load_verify_file(mx.tls, s.files.path("ca.pem").c_str());
  SSL_CTX_set_verify(mx.tls, SSL_VERIFY_PEER, nullptr);
  CHECK_FALSE(s->visit("x@b.test").empty());
  CHECK(mx.identity.empty());
  CHECK_FALSE(s->visit("x@a.test").empty());
  CHECK(mx.identity == "relay.here.test");
  CHECK(mx.connections == 2);
}

TEST_CASE("a login that is refused defers the mail and warns once") {
  tls_scene s("smarthost: {host: \"[mx1.test]\", username: u, password: p}");
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test");
  mx.keywords.emplace_back("AUTH PLAIN");
  mx.auth = "535 5.7.8 wrong";
  for (int i = 0; i < 2; ++i) {
    const auto got = s->reach("b@far.test");
    CHECK_FALSE(got.session);
    CHECK(got.why.what == outcome::deferred);
    CHECK(got.why.status == "4.7.0");
  }
  CHECK(s->notices.texts ==
        strings{"smarthost: authentication failed: host mx1.test[192.0.2.1] said: "
                "535 5.7.8 wrong"});
  // Nobody shall be locked out for our sake, but the host is not dead.
  mx.auth = "235 2.7.0 welcome";
  CHECK_FALSE(s->visit("b@far.test").empty());
}

TEST_CASE("logins do not share sessions") {
  const std::string login = "next_hops: [\"[mx1.test]\"], username: ";
  tls_scene s("routes: [{recipients: [a.test], " + login +
              "u, password: p}, {recipients: [b.test], " + login +
              "v, password: p}, {recipients: [c.test], " + login + "u, password: p}]");
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = s.context_for("DNS:mx1.test");
  mx.keywords.emplace_back("AUTH PLAIN");
  CHECK_FALSE(s->visit("x@a.test").empty());
  CHECK_FALSE(s->visit("x@b.test").empty());
  CHECK(mx.connections == 2);
  CHECK_FALSE(s->visit("x@c.test").empty());
  CHECK(mx.connections == 2);
}

TEST_CASE("a certificate is known by its fingerprint and stays known when a session goes on") {
  tls_scene s("routes: [{next_hops: [\"[mx1.test]\"], tls: fingerprint, fingerprints: [PRINT]}]");
  auto* context = s.context_for("DNS:whatever.test");
  const bool is_right = GENERATE(true, false);
  s.replace("PRINT", is_right ? s.fingerprint : std::string(64, 'a'));
  s.begin();
  auto& mx = s->add("192.0.2.1");
  mx.tls = context;
  for (int i = 0; i < 2; ++i) {
    CHECK(s->visit("b@far.test").empty() != is_right);
    s->pass(10s);
  }
  CHECK(mx.resumed == (is_right ? 1u : 0u));
}

}  // namespace
}  // namespace relais::testing
