// What single values cannot tell: settings that are wrong only together. Pure; internal to config/.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace relais::config {

struct contradiction {
  std::vector<std::string_view> keys;  ///< those involved, the likeliest culprit first
  std::string text;
  std::optional<std::size_t> item{};  ///< of the first key, a list: which one is wrong
};

/// To be asked before secrets are read from their files.
std::vector<contradiction> contradictions(const settings& values);

/// Its part for listeners: with each other, with TLS and with AUTH.
void check_listeners(const settings& values, std::vector<contradiction>& found);
/// Its part for routes and reply rules.
void check_routes(const settings& values, std::vector<contradiction>& found);

}  // namespace relais::config
