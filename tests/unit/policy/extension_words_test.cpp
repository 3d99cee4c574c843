// The configuration may not include smtp/, so it has its own list of EHLO keywords; here both meet.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "config/field_checks.hpp"
#include "smtp/extensions.hpp"

using namespace relais;

TEST_CASE("listeners can switch off every extension that there is and no other") {
  const auto known = config::extension_keywords();
  CHECK(known.size() == static_cast<std::size_t>(smtp::extension::count_));
  for (std::size_t i = 0; i < static_cast<std::size_t>(smtp::extension::count_); ++i) {
    const std::string keyword(smtp::keyword_of(static_cast<smtp::extension>(i)));
    INFO(keyword);
    CHECK(std::ranges::count(known, keyword) == 1);
  }
  for (const auto keyword : known) {
    INFO(keyword);
    CHECK(smtp::find_extension(keyword));
  }
}
