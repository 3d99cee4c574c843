// Fuzz target: the configuration loader. Promises for any input: no crash, no exception, mistakes
// that are single printable lines; and a configuration that loads is printed as one that loads the
// same, but for the places of its rules.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "config/load.hpp"

namespace {

std::optional<std::string> fixed_environment(std::string_view name) {
  if (name == "A") return "10.0.0.0/8";
  if (name == "EMPTY") return "";
  if (name == "EVIL") return "x\nuser: root";
  return {};
}

void require(bool holds) {
  if (!holds) std::abort();
}

bool has_secrets(const relais::config::settings& s) {
  return !s.smarthost.password.empty() || !s.auth.tokens.client_secret.empty();
}

void forget_places(relais::config::settings& s) {
  for (auto& one : s.policy.rules) one.place = {};
  for (auto& one : s.policy.dns_lists) one.place = {};
  for (auto& one : s.policy.rates) one.place = {};
  for (auto& one : s.replies) one.place = {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace relais::config;
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  auto first = load_text(yaml, "fuzz.yaml", fixed_environment);
  for (const auto& m : first.mistakes) {
    for (const char c : m.to_text()) require(!relais::is_control(c));
  }
  // Secrets are hidden in print(), so an account would come back without its own.
  if (!first.mistakes.empty() || has_secrets(first.values)) return 0;
  const auto printed = print(first.values);
  auto again = load_text(printed, "printed.yaml", fixed_environment);
  require(again.mistakes.empty());
  require(print(again.values) == printed);
  forget_places(first.values);
  forget_places(again.values);
  require(again.values == first.values);
  return 0;
}
