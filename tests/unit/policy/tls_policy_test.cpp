// How a connection to a next hop must be protected, and who said so.
#include "policy/tls_policy.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace relais::policy;
using config::tls_choice;
using smtp::tls_level;

TEST_CASE("the level of a route is what was configured and encrypt at least with a login") {
  struct row {
    tls_choice choice;
    bool login;
    tls_level level;
    const char* source;
  };
  const auto r = GENERATE(values<row>({
      {tls_choice::none, false, tls_level::none, "delivery.tls"},
      {tls_choice::may, false, tls_level::may, "delivery.tls"},
      {tls_choice::encrypt, false, tls_level::encrypt, "delivery.tls"},
      {tls_choice::verify, false, tls_level::verify, "delivery.tls"},
      {tls_choice::fingerprint, false, tls_level::fingerprint, "delivery.tls"},
      {tls_choice::none, true, tls_level::encrypt, "login"},
      {tls_choice::may, true, tls_level::encrypt, "login"},
      {tls_choice::encrypt, true, tls_level::encrypt, "delivery.tls"},
      {tls_choice::verify, true, tls_level::verify, "delivery.tls"},
      {tls_choice::fingerprint, true, tls_level::fingerprint, "delivery.tls"},
  }));
  INFO(static_cast<int>(r.choice) << ' ' << r.login);
  route way;
  way.tls = r.choice;
  way.tls_source = "delivery.tls";
  way.verify_names = {"a.example"};
  way.fingerprints = {"00"};
  if (r.login) way.login.emplace("user", "password");
  const auto answer = tls_policy_of(way, {});
  CHECK(answer.level == r.level);
  CHECK(answer.source == r.source);
  CHECK(answer.verify_names.empty() == (r.level != tls_level::verify));
  CHECK(answer.fingerprints.empty() == (r.level != tls_level::fingerprint));
}

TEST_CASE("UNIX sockets need no TLS unless a route says so") {
  config::settings settings;
  settings.delivery.tls = tls_choice::verify;
  auto& row = settings.routes.emplace_back();
  row.next_hops = {"unix:/run/lmtp"};
  const auto answer = [&] {
    const routes ways(settings);
    return tls_policy_of(*ways.all().front(), {});
  };
  CHECK(answer().level == tls_level::none);
  CHECK(answer().source == "UNIX socket");
  row.tls = tls_choice::encrypt;
  row.place = {"relais.yaml", 7};
  CHECK(answer().level == tls_level::encrypt);
  CHECK(answer().source == "relais.yaml:7: routes");
  row.tls = tls_choice::automatic;
  row.next_hops.emplace_back("[h]");
  CHECK(answer().level == tls_level::verify);
  row.next_hops = {"unix:/run/lmtp"};
  row.username = "user";
  CHECK(answer().level == tls_level::encrypt);
  CHECK(answer().source == "login");
}
