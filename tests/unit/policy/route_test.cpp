// Which way a recipient's mail takes, what a route says about it, and which hosts are trusted to be
// where they say.
#include "policy/route.hpp"

#include <catch2/catch.hpp>

#include "config/load.hpp"
#include "config/settings.hpp"

using namespace relais;
using namespace relais::policy;

namespace {

smtp::path path_of(std::string_view address) {
  return smtp::parse_address(address).value();
}

config::settings settings_of(const std::string& yaml) {
  auto loaded = config::load_text(yaml, "relais.yaml", config::process_environment());
  for (const auto& m : loaded.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(loaded.mistakes.empty());
  return std::move(loaded.values);
}

next_hop found(const routes& ways, std::string_view to, std::string_view from = "",
               std::string_view user = "", std::string_view listener = "") {
  const auto forward = path_of(to), reverse = path_of(from);
  return ways.find({forward, reverse, user, listener});
}

}  // namespace

TEST_CASE("without any route a recipient's mail goes to the MX hosts of its domain") {
  const routes direct(settings_of("hostname: us.example"));
  struct row {
    const char *to, *domain;
  };
  const auto r = GENERATE(values<row>({{"x@b.example", "b.example"},
                                       {"x@B.Example", "b.example"},
                                       {"x@[127.0.0.1]", "[127.0.0.1]"},
                                       {"x@[IPv6:::1]", "[ipv6:::1]"},
                                       {"postmaster", "us.example"}}));
  INFO(r.to);
  const auto hop = found(direct, r.to);
  CHECK(direct.at(hop).name == "MX");
  CHECK(direct.at(hop).follows_domain());
  CHECK(hop.domain == r.domain);
  CHECK(direct.text(hop) == r.domain);
  const auto hosts = direct.hosts(hop);
  REQUIRE(hosts.size() == 1);
  CHECK(hosts[0].name == r.domain);
  CHECK(hosts[0].lookup_mx);
  // What a sender wrote is no choice of the owner of this machine.
  CHECK_FALSE(hosts[0].is_chosen);
}

TEST_CASE("with a smarthost all mail goes there and literals as well") {
  const routes all(settings_of("smarthost: {host: \"[127.0.0.1]:2525\"}"));
  for (const std::string_view address : {"x@[192.0.2.1]", "x@b.example", "x@localhost"}) {
    INFO(address);
    const auto hop = found(all, address);
    CHECK(all.at(hop).name == "smarthost");
    CHECK(hop.domain.empty());
    CHECK(all.text(hop) == "[127.0.0.1]:2525");
    const auto hosts = all.hosts(hop);
    REQUIRE(hosts.size() == 1);
    CHECK(hosts[0].name == "127.0.0.1");
    CHECK(hosts[0].port == 2525);
    CHECK_FALSE(hosts[0].lookup_mx);
    CHECK(hosts[0].is_chosen);
  }
}
