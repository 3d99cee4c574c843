// Shorthand of the configuration tests: load a text with a small environment, list the mistakes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"

namespace relais::config {

inline environment variables(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return {};
    return found->second;
  };
}

inline loaded load(std::string_view yaml, const environment& env = variables({})) {
  return load_text(yaml, "t.yaml", env);
}

inline std::vector<std::string> mistakes(std::string_view yaml,
                                         const environment& env = variables({})) {
  std::vector<std::string> texts;
  for (const auto& m : load(yaml, env).mistakes) texts.push_back(m.to_text());
  return texts;
}

}  // namespace relais::config
