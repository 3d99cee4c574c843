// What a TLS session proves and keeps: session tickets and their keys, client certificates as
// identities, channel bindings.
#include <openssl/sha.h>

#include <catch2/catch.hpp>

#include "tls/server_context.hpp"
#include "unit/tls/pki.hpp"
#include "unit/tls/tls_pair.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using config::tls_version;
using session_ptr = std::unique_ptr<SSL_SESSION, free_tls>;

struct hand_clock final : relais::clock {
  steady_time now() const override { return steady_time(elapsed); }
  wall_time wall() const override { return system_clocks().wall(); }
  duration elapsed{0};
};

// A client that remembers its latest session.
struct returning_client {
  explicit returning_client(int version) : context(make_test_client()) {
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  }
  // Whether the server took the session up again.
  bool resumes(SSL_CTX* server) {
    tls_pair p(server, context.get(), "mx.example");
    if (session) SSL_set_session(p.client.get(), session.get());
    if (!p.handshake()) return false;
    const bool resumed = p.server.is_resumed();
    CHECK(resumed == (SSL_session_reused(p.client.get()) == 1));
    session.reset(SSL_get1_session(p.client.get()));
    SSL_shutdown(p.client.get());
    return resumed;
  }
  context_ptr context;
  session_ptr session;
};

struct scene {
  scene() { settings.certificates.push_back(files.make("mx", {"mx.example", ""})); }
  std::unique_ptr<tls::server_certificates> load() {
    std::string why;
    auto made = tls::load_server_certificates(settings, time, why);
    INFO(why);
    REQUIRE(made);
    return made;
  }
  pki files;
  config::tls_settings settings;
  hand_clock time;
};

TEST_CASE("a session goes on with a ticket of this or the last period and no older one") {
  scene s;
  s.settings.ticket_rotation = 1h;
  const auto certificates = s.load();
  const auto context = certificates->context(tls_version::automatic, false);
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  returning_client c(version);
  CAPTURE(version);
  CHECK_FALSE(c.resumes(context.get()));
  CHECK(c.resumes(context.get()));
  s.time.elapsed += 61min;
  SECTION("the last period's: a new ticket comes with it") {
    CHECK(c.resumes(context.get()));
    s.time.elapsed += 61min;
    CHECK(c.resumes(context.get()));
  }
  SECTION("the one before that") {
    returning_client other(version);
    CHECK_FALSE(other.resumes(context.get()));  // makes the key of this period
    s.time.elapsed += 61min;
    CHECK_FALSE(c.resumes(context.get()));
    CHECK(c.resumes(context.get()));
  }
  SECTION("after a long silence") {
    s.time.elapsed += 24h;
    CHECK_FALSE(c.resumes(context.get()));
  }
}

TEST_CASE("tickets outlive a reload") {
  scene s;
  const auto certificates = s.load();
  returning_client c(TLS1_3_VERSION);
  CHECK_FALSE(c.resumes(certificates->context(tls_version::automatic, false).get()));
  REQUIRE(certificates->reload().empty());
  CHECK(c.resumes(certificates->context(tls_version::automatic, false).get()));
}

TEST_CASE("a ticket does not carry a session to a listener that demands more") {
  scene s;
  const auto certificates = s.load();
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  returning_client c(version);
  CHECK_FALSE(c.resumes(certificates->context(tls_version::v1_0, false).get()));
  CHECK_FALSE(c.resumes(certificates->context(tls_version::automatic, true).get()));
}

TEST_CASE("tickets that were tampered with mean a full handshake") {
  scene a, b;
  const auto one = a.load(), another = b.load();
  returning_client c(TLS1_3_VERSION);
  CHECK_FALSE(c.resumes(one->context(tls_version::automatic, false).get()));
  CHECK_FALSE(c.resumes(another->context(tls_version::automatic, false).get()));
}

TEST_CASE("a rotation of 0 means no tickets") {
  scene s;
  s.settings.ticket_rotation = 0s;
  const auto certificates = s.load();
  const auto context = certificates->context(tls_version::automatic, false);
  returning_client c(GENERATE(TLS1_2_VERSION, TLS1_3_VERSION));
  CHECK_FALSE(c.resumes(context.get()));
  CHECK_FALSE(c.resumes(context.get()));
}

TEST_CASE("client certificates are identities only if an authority that we believe vouches") {
  scene s;
  const auto authority = issue({"Test CA", "", "EC", -3600, 36000, true});
  const auto foreign = issue({"Foreign CA", "", "EC", -3600, 36000, true});
  s.settings.client_ca_file = s.files.save("ca", authority).certificate;
  struct row {
    const char* what;
    wanted_certificate certificate;
    const identity* issuer;
    const char* known_as;
  };
  const std::vector<row> rows{
      {"an e-mail address",
       {"Printer", "email:printer@example.org"},
       &authority,
       "printer@example.org"},
      {"a common name", {"printer-2", "DNS:p2.example.org"}, &authority, "printer-2"},
      {"expired", {"old", "", "EC", -7200, -3600}, &authority, ""},
      {"self-signed", {"nobody", "email:root@example.org"}, nullptr, ""},
      {"another authority's", {"stranger", ""}, &foreign, ""},
      {"a control character", {"two\nlines", ""}, &authority, ""},
  };
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const auto certificates = s.load();
  const auto context = certificates->context(tls_version::automatic, true);
  REQUIRE(context);
  for (const auto& r : rows) {
    DYNAMIC_SECTION(r.what << version) {
      const auto own = issue(r.certificate, r.issuer);
      const auto client = make_test_client();
      SSL_CTX_set_max_proto_version(client.get(), version);
      SSL_CTX_use_certificate(client.get(), own.leaf.get());
      SSL_CTX_use_PrivateKey(client.get(), own.key.get());
      tls_pair p(context.get(), client.get());
      REQUIRE(p.handshake());
      CHECK(p.server.peer_identity() == r.known_as);
      CHECK(p.server.peer_fingerprint() == fingerprint_of(own.leaf.get()));
      // A session that goes on is that of the same client.
      const session_ptr session(SSL_get1_session(p.client.get()));
      tls_pair again(context.get(), client.get());
      SSL_set_session(again.client.get(), session.get());
      REQUIRE(again.handshake());
      CHECK(again.server.is_resumed());
      CHECK(again.server.peer_identity() == r.known_as);
      CHECK(again.server.peer_fingerprint() == fingerprint_of(own.leaf.get()));
    }
  }
  DYNAMIC_SECTION("none at all " << version) {
    const auto client = make_test_client();
    SSL_CTX_set_max_proto_version(client.get(), version);
    tls_pair p(context.get(), client.get());
    REQUIRE(p.handshake());
    CHECK(p.server.peer_identity().empty());
    CHECK(p.server.peer_fingerprint().empty());
  }
  DYNAMIC_SECTION("not asked for " << version) {
    const auto own = issue({"printer", ""}, &authority);
    const auto client = make_test_client();
    SSL_CTX_use_certificate(client.get(), own.leaf.get());
    SSL_CTX_use_PrivateKey(client.get(), own.key.get());
    tls_pair p(certificates->context(tls_version::automatic, false).get(), client.get());
    REQUIRE(p.handshake());
    CHECK(p.server.peer_identity().empty());
    CHECK(p.server.peer_fingerprint().empty());
  }
}

TEST_CASE("without authorities client certificates are known by their fingerprint alone") {
  scene s;
  const auto certificates = s.load();
  const auto own = issue({"printer", ""});
  const auto client = make_test_client();
  SSL_CTX_use_certificate(client.get(), own.leaf.get());
  SSL_CTX_use_PrivateKey(client.get(), own.key.get());
  tls_pair p(certificates->context(tls_version::automatic, true).get(), client.get());
  REQUIRE(p.handshake());
  CHECK(p.server.peer_identity().empty());
  CHECK(p.server.peer_fingerprint() == fingerprint_of(own.leaf.get()));
}

std::string exporter_of(SSL* ssl) {
  unsigned char key[32];
  static constexpr std::string_view label = "EXPORTER-Channel-Binding";
  if (SSL_export_keying_material(ssl, key, sizeof key, label.data(), label.size(), nullptr, 0, 0) !=
      1) {
    return {};
  }
  return {reinterpret_cast<const char*>(key), sizeof key};
}

TEST_CASE("both ends see the same channel bindings") {
  scene s;
  const auto certificates = s.load();
  const auto context = certificates->context(tls_version::v1_0, false);
  const auto client = make_test_client();
  const int version = GENERATE(TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(client.get(), version);
  tls_pair p(context.get(), client.get());
  CHECK(p.server.tls_exporter().empty());
  CHECK(p.server.tls_end_point().empty());
  REQUIRE(p.handshake());
  // RFC 9266: before TLS 1.2 it is not unique.
  if (version == TLS1_1_VERSION) {
    CHECK(p.server.tls_exporter().empty());
  } else {
    CHECK(p.server.tls_exporter() == exporter_of(p.client.get()));
    CHECK(p.server.tls_exporter().size() == 32);
  }
  unsigned char hash[SHA256_DIGEST_LENGTH];
  unsigned size = 0;
  X509_digest(SSL_get0_peer_certificate(p.client.get()), EVP_sha256(), hash, &size);
  CHECK(p.server.tls_end_point() == std::string(reinterpret_cast<char*>(hash), size));
}

TEST_CASE("an exporter without the extended master secret is no binding") {
  scene s;
  const auto certificates = s.load();
  const auto client = make_test_client();
  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(client.get(), SSL_OP_NO_EXTENDED_MASTER_SECRET);
  tls_pair p(certificates->context(tls_version::automatic, false).get(), client.get());
  REQUIRE(p.handshake());
  CHECK(p.server.tls_exporter().empty());
}

TEST_CASE("an Ed25519 certificate has no end-point binding") {
  scene s;
  s.settings.certificates = {s.files.make("ed", {"mx.example", "", "ED25519"})};
  const auto certificates = s.load();
  const auto client = make_test_client();
  tls_pair p(certificates->context(tls_version::automatic, false).get(), client.get());
  REQUIRE(p.handshake());
  CHECK(p.server.tls_end_point().empty());
}

}  // namespace
}  // namespace relais::testing
