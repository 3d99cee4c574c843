// What single values cannot tell: settings that are wrong only together. Pure; internal to config/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace relais::config {

struct contradiction {
  std::vector<std::string_view> keys;  ///< those involved, the likeliest culprit first
  std::string text;
};

/// To be asked before password_file is read into password.
std::vector<contradiction> contradictions(const settings& values);

}  // namespace relais::config
