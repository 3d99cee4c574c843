// tls::server_certificates: which certificate a client gets, which versions, what a reload changes,
// and what is said of files that are wrong.
#include "tls/server_context.hpp"

#include <openssl/pem.h>

#include <catch2/catch.hpp>
#include <thread>

#include "unit/tls/pki.hpp"
#include "unit/tls/tls_pair.hpp"

namespace relais::testing {
namespace {

using config::tls_version;

struct scene {
  pki files;
  config::tls_settings settings;
  system_clocks time;
  std::string why;
  std::unique_ptr<tls::server_certificates> load() {
    return tls::load_server_certificates(settings, time, why);
  }
  void add(const std::string& name, const wanted_certificate& wanted) {
    settings.certificates.push_back(files.make(name, wanted));
  }
};

TEST_CASE("the certificate is chosen by the name that the client asks for") {
  scene s;
  s.add("first", {"first.example", "DNS:first.example,DNS:also.first.example"});
  s.add("wild", {"wildcard", "DNS:*.b.example"});
  s.add("exact", {"exact", "DNS:mx.b.example"});
  s.add("common", {"common.example", ""});
  s.add("ignored", {"cn-is-ignored.example", "DNS:san.example"});
  const auto certificates = s.load();
  REQUIRE(certificates);
  const auto context = certificates->context(tls_version::automatic, false);
  const auto client = make_test_client();
  struct row {
    const char* name;
    const char* subject;
  };
  const auto r = GENERATE(values<row>({
      {"", "first.example"},
      {"first.example", "first.example"},
      {"also.first.example", "first.example"},
      {"FIRST.Example", "first.example"},
      {"a.b.example", "wildcard"},
      {"mx.b.example", "exact"},
      {"MX.B.EXAMPLE.", "exact"},
      {"b.example", "first.example"},
      {"a.a.b.example", "first.example"},
      {".b.example", "first.example"},
      {"common.example", "common.example"},
      {"cn-is-ignored.example", "first.example"},
      {"san.example", "cn-is-ignored.example"},
      {"unknown.example", "first.example"},
      {"*.b.example", "wildcard"},
  }));
  DYNAMIC_SECTION("SNI \"" << r.name << '"') {
    tls_pair p(context.get(), client.get(), r.name);
    REQUIRE(p.handshake());
    CHECK(p.subject_seen() == r.subject);
    CHECK(p.server.server_name() == r.name);
  }
}

TEST_CASE("a client that knows one kind of signature gets the certificate with such a key") {
  scene s;
  s.add("ec", {"with EC", "DNS:mx.example", "EC"});
  s.add("rsa", {"with RSA", "DNS:mx.example", "RSA"});
  s.add("other", {"another name", "DNS:other.example", "RSA"});
  const auto certificates = s.load();
  REQUIRE(certificates);
  const auto context = certificates->context(tls_version::automatic, false);
  const std::string name = GENERATE("", "mx.example", "unknown.example");
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const auto rsa_only = make_test_client();
  SSL_CTX_set_max_proto_version(rsa_only.get(), version);
  SSL_CTX_set1_sigalgs_list(rsa_only.get(), "RSA-PSS+SHA256:RSA+SHA256");
  tls_pair r(context.get(), rsa_only.get(), name);
  REQUIRE(r.handshake());
  CHECK(r.subject_seen() == "with RSA");
  const auto ec_only = make_test_client();
  SSL_CTX_set_max_proto_version(ec_only.get(), version);
  SSL_CTX_set1_sigalgs_list(ec_only.get(), "ECDSA+SHA256");
  tls_pair e(context.get(), ec_only.get(), name);
  REQUIRE(e.handshake());
  CHECK(e.subject_seen() == "with EC");
}

TEST_CASE("versions older than the listener's minimum are refused and others served") {
  scene s;
  s.add("ec", {"mx.example", "", "EC"});
  s.add("rsa", {"mx.example", "", "RSA"});
  const auto certificates = s.load();
  REQUIRE(certificates);
  struct row {
    tls_version minimum;
    int client;
    const char* version;  // "" = refused
  };
  const auto r = GENERATE(values<row>({
      {tls_version::automatic, TLS1_VERSION, ""},
      {tls_version::automatic, TLS1_1_VERSION, ""},
      {tls_version::automatic, TLS1_2_VERSION, "TLSv1.2"},
      {tls_version::automatic, TLS1_3_VERSION, "TLSv1.3"},
      {tls_version::v1_0, TLS1_VERSION, "TLSv1"},
      {tls_version::v1_0, TLS1_1_VERSION, "TLSv1.1"},
      {tls_version::v1_0, TLS1_3_VERSION, "TLSv1.3"},
      {tls_version::v1_1, TLS1_VERSION, ""},
      {tls_version::v1_1, TLS1_1_VERSION, "TLSv1.1"},
      {tls_version::v1_3, TLS1_2_VERSION, ""},
      {tls_version::v1_3, TLS1_3_VERSION, "TLSv1.3"},
  }));
  DYNAMIC_SECTION("minimum " << int(r.minimum) << " client " << r.client) {
    const auto context = certificates->context(r.minimum, false);
    REQUIRE(context);
    const auto client = make_test_client();
    SSL_CTX_set_max_proto_version(client.get(), r.client);
    tls_pair p(context.get(), client.get());
    CHECK(p.handshake() == (r.version[0] != '\0'));
    CHECK(p.server.version() == r.version);
    if (r.version[0] == '\0') CHECK_FALSE(p.server.failure().empty());
  }
}

TEST_CASE("ALPN is ignored and renegotiation refused") {
  scene s;
  s.add("ec", {"mx.example", ""});
  const auto certificates = s.load();
  const auto context = certificates->context(tls_version::automatic, false);
  const auto client = make_test_client();
  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  static constexpr unsigned char http[] = "\x02h2\x08http/1.1";
  SSL_CTX_set_alpn_protos(client.get(), http, sizeof http - 1);
  tls_pair p(context.get(), client.get());
  REQUIRE(p.handshake());
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(p.client.get(), &chosen, &size);
  CHECK(size == 0);
  CHECK(SSL_get_current_compression(p.client.get()) == nullptr);
  // The client begins a second handshake; it is told no, and the connection goes on.
  SSL_renegotiate(p.client.get());
  SSL_do_handshake(p.client.get());
  p.to_server();
  char buffer[10];
  std::size_t n = 0;
  CHECK(p.server.read(buffer, sizeof buffer, n) == net::tls_engine::step::want_input);
  CHECK(p.server.write("still here") == net::tls_engine::step::done);
  p.to_client();
  CHECK(SSL_do_handshake(p.client.get()) != 1);
}

TEST_CASE("mistakes in the files are told with the name of the file") {
  scene s;
  const auto good = s.files.make("good", {"mx.example", ""});
  const auto other = s.files.make("other", {"mx.example", ""});
  const auto weak = s.files.make("weak", {"mx.example", "", "RSA-1024"});
  const auto garbage = s.files.write("garbage.pem", "this is no PEM\n");
  const auto half =
      s.files.write("half.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const auto made = issue({"mx.example", ""});
  const auto locked = s.files.path("locked.key");
  {
    const std::unique_ptr<BIO, tls::free_openssl> out(BIO_new_file(locked.c_str(), "w"));
    unsigned char word[] = "secret";
    PEM_write_bio_PrivateKey(out.get(), made.key.get(), EVP_aes_256_cbc(), word, 6, nullptr,
                             nullptr);
  }
  struct row {
    const char* what;
    std::string certificate, key, file, words;
  };
  const std::vector<row> rows{
      {"no such file", s.files.path("none.pem"), good.key, "none.pem", "No such file"},
      {"no such key", good.certificate, s.files.path("none.key"), "none.key", "No such file"},
      {"a directory", s.files.path(""), "", s.files.path(""), "cannot be read"},
      {"no certificate", garbage, good.key, "garbage.pem", "holds no certificate"},
      {"a broken one", half, good.key, "half.pem", "holds no certificate"},
      {"no key in the same file", good.certificate, "", "good.pem", "holds no private key"},
      {"the key of another", good.certificate, other.key, "other.key", "is not that of"},
      {"an encrypted key", good.certificate, locked, "locked.key", "is encrypted"},
      {"a key too small", weak.certificate, weak.key, "weak.pem", "too small"},
  };
  for (const auto& r : rows) {
    DYNAMIC_SECTION(r.what) {
      s.settings.certificates = {{r.certificate, r.key}};
      CHECK(s.load() == nullptr);
      CHECK_THAT(s.why, Catch::Contains(r.file) && Catch::Contains(r.words));
    }
  }
  SECTION("ciphers") {
    s.settings.certificates = {good};
    s.settings.ciphers = "NO-SUCH-CIPHER";
    CHECK(s.load() == nullptr);
    CHECK_THAT(s.why, Catch::Contains("tls.ciphers \"NO-SUCH-CIPHER\""));
  }
  SECTION("authorities") {
    s.settings.certificates = {good};
    s.settings.client_ca_file = garbage;
    CHECK(s.load() == nullptr);
    CHECK_THAT(s.why, Catch::Contains("garbage.pem holds no certificates"));
  }
  SECTION("a small key is good enough for old devices") {
    s.settings.certificates = {weak};
    s.settings.minimum_version = tls_version::v1_0;
    CHECK(s.load() != nullptr);
  }
}

TEST_CASE("without certificates there is no context and no mistake") {
  scene s;
  const auto certificates = s.load();
  REQUIRE(certificates);
  CHECK(certificates->is_empty());
  CHECK(certificates->context(tls_version::automatic, false) == nullptr);
  CHECK(certificates->reload().empty());
  CHECK(certificates->warnings().empty());
}

TEST_CASE("a reload serves the new files and keeps the old ones if they are wrong") {
  scene s;
  s.add("mx", {"the old one", ""});
  const auto certificates = s.load();
  REQUIRE(certificates);
  const auto client = make_test_client();
  const auto before = certificates->context(tls_version::automatic, false);
  CHECK(certificates->context(tls_version::automatic, false) == before);
  tls_pair under_way(before.get(), client.get());

  s.files.write("mx.key", "broken");
  CHECK_THAT(certificates->reload(), Catch::Contains("mx.key"));
  CHECK(certificates->context(tls_version::automatic, false) == before);

  s.files.make("mx", {"the new one", ""});
  CHECK(certificates->reload().empty());
  const auto after = certificates->context(tls_version::automatic, false);
  CHECK(after != before);
  tls_pair fresh(after.get(), client.get());
  REQUIRE(fresh.handshake());
  CHECK(fresh.subject_seen() == "the new one");
  REQUIRE(under_way.handshake());
  CHECK(under_way.subject_seen() == "the old one");
}

TEST_CASE("a connection outlives the certificates that it began with") {
  scene s;
  s.add("mx", {"mx.example", ""});
  auto certificates = s.load();
  auto context = certificates->context(tls_version::automatic, false);
  const auto client = make_test_client();
  tls_pair p(context.get(), client.get());
  certificates.reset();
  context.reset();
  CHECK(p.handshake());
}

TEST_CASE("certificates that end soon are warned of") {
  scene s;
  constexpr long day = 24 * 3600;
  s.add("fine", {"fine", "", "EC", -day, 15 * day});
  s.add("soon", {"soon", "", "EC", -day, 10 * day + 60});
  s.add("gone", {"gone", "", "EC", -2 * day, -day});
  s.add("early", {"early", "", "EC", day, 90 * day});
  const auto certificates = s.load();
  REQUIRE(certificates);
  const auto warnings = certificates->warnings();
  REQUIRE(warnings.size() == 3);
  CHECK_THAT(warnings[0], Catch::Contains("soon.pem expires on 20") && Catch::Contains("10 days"));
  CHECK_THAT(warnings[1], Catch::Contains("gone.pem expired on 20"));
  CHECK_THAT(warnings[2], Catch::Contains("early.pem is valid from 20"));
}

TEST_CASE("workers shake hands while certificates are loaded again") {
  scene s;
  s.add("mx", {"mx.example", ""});
  const auto certificates = s.load();
  std::vector<std::thread> workers;
  std::atomic<int> done = 0;
  for (int worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&] {
      const auto client = make_test_client();
      for (int i = 0; i < 20; ++i) {
        const auto context = certificates->context(tls_version::automatic, i % 2 == 0);
        tls_pair p(context.get(), client.get(), "mx.example");
        if (p.handshake()) ++done;
      }
    });
  }
  for (int i = 0; i < 20; ++i) CHECK(certificates->reload().empty());
  for (auto& w : workers) w.join();
  CHECK(done == 60);
}

}  // namespace
}  // namespace relais::testing
