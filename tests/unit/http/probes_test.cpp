// The probe paths: method x path x state -> status.
#include "http/probes.hpp"

#include <catch2/catch.hpp>

namespace relais::http {
namespace {

struct row {
  std::string name, method, target;
  relay_state state;
  unsigned status;
};

TEST_CASE("probes answer by path, method and state") {
  const relay_state ready{true, ""}, draining{false, "draining"};
  const auto r = GENERATE_COPY(values<row>({
      {"alive when ready", "GET", "/healthz", ready, 200},
      {"alive while draining", "GET", "/healthz", draining, 200},
      {"ready", "GET", "/readyz", ready, 200},
      {"not ready while draining", "GET", "/readyz", draining, 503},
      {"started", "HEAD", "/startupz", ready, 200},
      {"not started", "GET", "/startupz", draining, 503},
      {"other spellings", "GET", "/healthz/ready?verbose", draining, 503},
      {"other spellings of alive", "GET", "/livez", draining, 200},
      {"unknown path", "GET", "/", ready, 404},
      {"a prefix is another path", "GET", "/healthz2", ready, 404},
      {"changing methods", "POST", "/healthz", ready, 405},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto got = answer(r.method, r.target, r.state);
    CHECK(got.status == r.status);
    CHECK(got.body.ends_with('\n'));
    if (r.status == 503) CHECK(got.body == "draining\n");
  }
}

}  // namespace
}  // namespace relais::http
