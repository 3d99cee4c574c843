// How a decision names the rule that made it, for the log: "relais.yaml:31: policy.rules".
#pragma once

#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace relais::policy {

inline std::string rule_name(const config::source_place& place, std::string_view what) {
  const auto where = place.text();
  return where.empty() ? std::string(what) : where + ": " + std::string(what);
}

}  // namespace relais::policy
