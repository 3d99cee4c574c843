// The files in the repository that are made from the field table, and the hand-written dev.yaml.
// RELAIS_REGENERATE=1 writes the generated ones instead of comparing.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/text.hpp"
#include "config/fields.hpp"
#include "settings_for_test.hpp"

using namespace relais;
using namespace relais::config;

namespace {

const std::string source = RELAIS_SOURCE_DIR "/";

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void compare_or_write(const std::string& path, const std::string& generated) {
  if (std::getenv("RELAIS_REGENERATE") != nullptr) {
    std::ofstream(path, std::ios::binary) << generated;
  }
  INFO(path << " differs from the field table: RELAIS_REGENERATE=1 makes it anew");
  CHECK(content_of(path) == generated);
}

/// Activates what the packaged file has commented out: "#key:" but not "# words".
std::string uncommented(const std::string& yaml) {
  std::string active;
  for (auto line : split(yaml, '\n')) {
    const auto hash = line.find('#');
    const bool is_key = hash != std::string_view::npos && hash + 1 < line.size() &&
                        (line[hash + 1] != ' ' || line.substr(hash + 1).starts_with("  - "));
    active += is_key ? std::string(line.substr(0, hash)) + std::string(line.substr(hash + 1))
                     : std::string(line);
    active += '\n';
  }
  return active;
}

}  // namespace

TEST_CASE("config/relais.yaml is the text of the field table") {
  compare_or_write(source + "config/relais.yaml", packaged_yaml());
}

TEST_CASE("docs/configuration.md is the text of the field table") {
  compare_or_write(source + "docs/configuration.md", reference_markdown());
}

TEST_CASE("the packaged relais.yaml loads as the defaults") {
  const auto result = load_file(source + "config/relais.yaml", variables({}));
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  CHECK(print(result.values) == print(settings{}));
}

TEST_CASE("the packaged relais.yaml loads as the defaults with every # before a key removed") {
  const auto active = uncommented(packaged_yaml());
  for (const auto& f : fields()) {
    INFO(f.key);
    const auto depth = static_cast<std::size_t>(std::ranges::count(f.key, '.'));
    CHECK(active.find('\n' + std::string(2 * depth, ' ') + std::string(f.name()) + ':') !=
          std::string::npos);
  }
  const auto result = load(active);
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  CHECK(print(result.values) == print(settings{}));
}

TEST_CASE("dev.yaml loads without mistakes and stays on this machine") {
  const auto result = load_file(source + "config/dev.yaml", variables({}));
  for (const auto& m : result.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(result.mistakes.empty());
  CHECK(result.values.spool.directory == "build/run/spool");
  CHECK(result.values.smarthost.host == "[127.0.0.1]:2626");
  REQUIRE(result.values.listeners.size() == 1);
  CHECK(result.values.listeners[0].address.text() == "127.0.0.1:2525");
  CHECK(load_file(source + "config/dev.yaml", variables({{"RELAIS_DEV_DIR", "/tmp/x"}}))
            .values.spool.directory == "/tmp/x/spool");
}

TEST_CASE("every row of the field table is documented, unique and in a known section") {
  for (const auto& f : fields()) {
    INFO(f.key);
    CHECK(f.doc.size() > 10);
    CHECK(f.doc.ends_with('.'));
    CHECK(find_field(f.key) == &f);
    if (!f.section().empty()) {
      CHECK_FALSE(section_doc(f.section()).empty());
    }
  }
}

TEST_CASE("the keys of each section stand together and those of an inner section behind them") {
  std::vector<std::string_view> seen;
  for (const auto& f : fields()) {
    INFO(f.key);
    if (seen.empty() || seen.back() != f.section()) {
      CHECK(std::ranges::count(seen, f.section()) == 0);
      const auto dot = f.section().rfind('.');
      if (dot != std::string_view::npos) CHECK(seen.back() == f.section().substr(0, dot));
      seen.push_back(f.section());
    }
  }
  CHECK(seen.size() == sections().size() + 1);  // and the top level
}

TEST_CASE("every row of the tables of items is documented and unique and its examples load") {
  std::size_t lists = 0;
  for (const auto& list : fields()) {
    const auto* type = items_of(list);
    if (type == nullptr) continue;
    ++lists;
    INFO(list.key);
    std::vector<std::string_view> keys;
    for (const auto& f : type->fields) {
      INFO(f.key);
      CHECK(f.doc.size() > 10);
      CHECK(f.doc.ends_with('.'));
      CHECK(std::ranges::count(keys, f.key) == 0);
      keys.push_back(f.key);
    }
    CHECK((type->short_key.empty() || std::ranges::count(keys, type->short_key) == 1));
    std::string yaml, indent;
    for (const auto name : split(list.key, '.')) {
      yaml += indent + std::string(name) + ":\n";
      indent += "  ";
    }
    for (const auto line : split(type->examples, '\n')) {
      yaml += indent + (type->as_map ? "" : "- ") + std::string(line) + '\n';
    }
    // Listeners and logins need other keys besides.
    for (const auto& mistake : load(yaml).mistakes) {
      INFO(mistake.to_text());
      CHECK((mistake.text.find("nobody can log in") != std::string::npos ||
             mistake.text.find("tls.certificates is empty") != std::string::npos ||
             mistake.text.find("no listener asks for") != std::string::npos));
    }
  }
  CHECK(lists == 9);
}
