// Reading the configuration: YAML through the field table, ${NAME} expansion, secrets from files,
// cross-field checks. Every mistake is reported with file:line:column, the offending text and, for
// an unknown key, the nearest valid one; all mistakes of a file are found in one run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace relais::config {

struct mistake {
  std::string file;
  unsigned line = 0, column = 0;  ///< from 1; 0 = the whole file
  std::string text;               ///< one sentence
  std::string to_text() const;    ///< "relais.yaml:3:5: unknown key ..."
};

struct loaded {
  settings values;
  std::vector<mistake> mistakes;  ///< empty = the settings are good
};

/// Looks up an environment variable; injected, so that tests need no real environment.
using environment = std::function<std::optional<std::string>(std::string_view name)>;
environment process_environment();

/// Reads a file; a missing or unreadable file is a mistake like any other.
loaded load_file(const std::string& path, const environment& env);
/// The same for text at hand; `name` stands for the file in mistakes.
loaded load_text(std::string_view yaml, const std::string& name, const environment& env);

/// The effective configuration as commented YAML, loadable again; secrets appear as "(hidden)"
/// comments.
std::string print(const settings& values);
/// config/relais.yaml as it is packaged: every key with its sentence, commented out at its default.
std::string packaged_yaml();
/// The reference of every key: docs/configuration.md is this text (a test compares).
std::string reference_markdown();

}  // namespace relais::config
