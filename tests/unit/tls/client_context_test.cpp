// Contexts of outgoing connections and the sessions that are kept of them.
#include "tls/client_context.hpp"

#include <openssl/err.h>

#include <catch2/catch.hpp>

#include "tls/client_sessions.hpp"
#include "unit/tls/pki.hpp"

namespace relais::testing {
namespace {

using tls::client_files;

std::string fault_of(const client_files& files) {
  try {
    const tls::client_contexts made({files});
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("equal files share a context and files that nobody named have none") {
  const pki files;
  const auto saved = files.make("ca", wanted_certificate());
  client_files a, b;
  a.ca_file = b.ca_file = saved.certificate;
  b.certificate = saved.certificate;
  b.key = saved.key;
  const tls::client_contexts made({a, b, a});
  REQUIRE(made.find(a) != nullptr);
  REQUIRE(made.find(b) != nullptr);
  CHECK(made.find(a) != made.find(b));
  CHECK(SSL_CTX_get0_certificate(made.find(a)) == nullptr);
  CHECK(SSL_CTX_get0_certificate(made.find(b)) != nullptr);
  CHECK(made.find(client_files()) == nullptr);
}

TEST_CASE("a file that cannot be used is named") {
  const pki files;
  const auto one = files.make("one", wanted_certificate());
  const auto two = files.make("two", wanted_certificate());
  const auto nonsense = files.write("nonsense.pem", "hello\n");
  client_files f;
  SECTION("no such authorities") {
    f.ca_file = files.path("none.pem");
    CHECK(fault_of(f).find(f.ca_file) != std::string::npos);
  }
  SECTION("authorities without a certificate") {
    f.ca_file = nonsense;
    CHECK(fault_of(f).find(nonsense) != std::string::npos);
  }
  SECTION("no such certificate") {
    f.ca_file = one.certificate;
    f.certificate = files.path("none.pem");
    CHECK(fault_of(f).find(f.certificate) != std::string::npos);
  }
  SECTION("a key of another certificate") {
    f.ca_file = one.certificate;
    f.certificate = one.certificate;
    f.key = two.key;
    CHECK_FALSE(fault_of(f).empty());
  }
  CHECK(ERR_peek_error() == 0);
}

net::tls_session some_session() {
  return net::tls_session(SSL_SESSION_new());
}

TEST_CASE("sessions are found by their key until a full cache forgets the oldest") {
  tls::client_sessions kept(2);
  CHECK(kept.find("a") == nullptr);
  auto a = some_session();
  const auto* first = a.get();
  kept.remember("a", std::move(a));
  kept.remember("b", some_session());
  CHECK(kept.find("a").get() == first);
  kept.remember("c", some_session());
  CHECK(kept.size() == 2);
  CHECK(kept.find("a").get() == first);
  CHECK(kept.find("b") == nullptr);
  CHECK(kept.find("c") != nullptr);
  // A later one takes the place of the first; nothing takes nobody's.
  auto later = some_session();
  const auto* second = later.get();
  kept.remember("a", std::move(later));
  kept.remember("a", net::tls_session());
  CHECK(kept.find("a").get() == second);
  const auto share = kept.find("a");
  kept.forget("a");
  kept.forget("a");
  CHECK(kept.find("a") == nullptr);
  CHECK(share.get() == second);
  CHECK(kept.size() == 1);
}

}  // namespace
}  // namespace relais::testing
