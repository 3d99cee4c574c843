// The configurations that the README and the operations manual show are good ones.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "config/load.hpp"

namespace relais::config {
namespace {

std::vector<std::string> yaml_blocks(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (!inside && line == "```yaml") {
      blocks.emplace_back();
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + '\n';
    }
  }
  return blocks;
}

std::optional<std::string> container_environment(std::string_view name) {
  if (name == "HOSTNAME") return "gateway-0";
  if (name == "RELAYHOST") return "[smtp.provider.example]:587";
  if (name == "RELAYHOST_USERNAME") return "app";
  return {};
}

void check_blocks(const std::string& path, std::size_t at_least) {
  const auto blocks = yaml_blocks(path);
  CHECK(blocks.size() >= at_least);
  for (const auto& yaml : blocks) {
    const auto result = load_text(yaml, path, container_environment);
    for (const auto& m : result.mistakes) {
      INFO(m.to_text());
      // The files with the secrets are not on the machine of the tests.
      CHECK((m.text.find("password_file") != std::string::npos ||
             m.text.find("client_secret_file") != std::string::npos));
    }
  }
}

TEST_CASE("the configurations of the README load without mistakes but for their secrets") {
  check_blocks(RELAIS_SOURCE_DIR "/README.md", 3);
}

TEST_CASE("the configurations of the operations manual load without mistakes but for secrets") {
  check_blocks(RELAIS_SOURCE_DIR "/docs/operations.md", 2);
}

}  // namespace
}  // namespace relais::config
