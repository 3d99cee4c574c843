// Fuzz target: the configuration loader. Promises for any input: no crash, no exception, mistakes
// that are single printable lines; and a configuration that loads is printed as one that loads the
// same.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace relais::config;
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto first = load_text(yaml, "fuzz.yaml", fixed_environment);
  for (const auto& m : first.mistakes) {
    for (const char c : m.to_text()) require(!relais::is_control(c));
  }
  // The password is hidden in print(), so an account would come back without it.
  if (!first.mistakes.empty() || !first.values.smarthost.password.empty()) return 0;
  const auto printed = print(first.values);
  const auto again = load_text(printed, "printed.yaml", fixed_environment);
  require(again.mistakes.empty());
  require(print(again.values) == printed);
  return 0;
}
