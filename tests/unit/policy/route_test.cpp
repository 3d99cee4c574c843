// Where a recipient's mail goes, and which hosts are trusted to be where they say.
#include "policy/route.hpp"

#include <catch2/catch.hpp>

#include "config/settings.hpp"

using namespace relais;
using namespace relais::policy;

namespace {

smtp::path to(std::string_view address) {
  return smtp::parse_address(address).value();
}

}  // namespace

TEST_CASE("a literal that a sender wrote is checked like the hosts of a domain") {
  config::settings settings;
  settings.hostname = "us.example";
  const routes direct(settings);
  for (const std::string_view address :
       {"x@[127.0.0.1]", "x@[IPv6:::1]", "x@[169.254.169.254]", "x@b.example"}) {
    INFO(address);
    const auto hop = direct.route(to(address));
    // Not plain_hosts, which takes the operator's word for every address.
    CHECK(hop.lookup_mx);
    CHECK_FALSE(hop.is_smarthost);
  }
  CHECK(direct.route(to("x@[127.0.0.1]")).text() == "[127.0.0.1]");
}

TEST_CASE("with a smarthost all mail goes there, literals included") {
  config::settings settings;
  settings.hostname = "us.example";
  settings.smarthost.host = "[127.0.0.1]:2525";
  const routes all(settings);
  for (const std::string_view address : {"x@[192.0.2.1]", "x@b.example", "x@localhost"}) {
    INFO(address);
    const auto hop = all.route(to(address));
    CHECK(hop.is_smarthost);
    CHECK_FALSE(hop.lookup_mx);
    CHECK(hop.port == 2525);
  }
}
