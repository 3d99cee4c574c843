// The configurations that the README shows are good ones.
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

TEST_CASE("the three configurations of the README load without mistakes, but for their secrets") {
  const auto blocks = yaml_blocks(RELAIS_SOURCE_DIR "/README.md");
  REQUIRE(blocks.size() == 3);
  for (const auto& yaml : blocks) {
    const auto result = load_text(yaml, "README.md", container_environment);
    for (const auto& m : result.mistakes) {
      INFO(m.to_text());
      // The file with the password is not on the machine of the tests.
      CHECK(m.text.find("password_file") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace relais::config
