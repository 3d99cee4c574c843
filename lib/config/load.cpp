// The whole of loading: the tree of the file, then what values mean together, then secrets from
// files.
#include "config/load.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "base/text.hpp"
#include "config/contradictions.hpp"
#include "config/fields.hpp"
#include "config/files.hpp"
#include "config/tree_loader.hpp"
#include "config/yaml_tree.hpp"

namespace relais::config {
namespace {

void check_together(const settings& values, tree_loader& loader) {
  for (auto& c : contradictions(values)) {
    position at;
    bool is_certain = true;
    for (const auto& key : c.keys) {
      if (at.line == 0) at = c.item ? loader.place_of(key, *c.item) : loader.place_of(key);
      is_certain = is_certain && loader.is_good(key);
    }
    // A value that was refused itself would only cause a second complaint about the same thing.
    if (is_certain) loader.complain(at, std::move(c.text));
  }
}

template <class T>
T& value_at(const field& f, void* owner) {
  return std::get<reach<T>>(f.at)(owner);
}

/// Where a secret of this table is not given, but a file for it, it is read. `shown` stands before
/// the key in mistakes.
void read_secrets(std::span<const field> table, void* owner, const std::string& shown,
                  const auto& place_of, tree_loader& loader) {
  for (const auto& f : table) {
    if (f.in_file.empty()) continue;
    const auto& file = *std::ranges::find(table, f.in_file, &field::key);
    const auto& path = value_at<std::string>(file, owner);
    auto& secret = value_at<std::string>(f, owner);
    if (path.empty() || !secret.empty()) continue;
    auto content = read_secret(path);
    if (content.fault.empty()) {
      secret = std::move(content.text);
    } else {
      loader.complain(place_of(file), shown + std::string(file.key) + " \"" + printable(path, 100) +
                                          "\" " + content.fault);
    }
  }
}

void read_secrets(settings& values, tree_loader& loader) {
  const auto place = [&](const field& file) { return loader.place_of(file.key); };
  read_secrets(fields(), &values, {}, place, loader);
  for (const auto& list : fields()) {
    const auto read_items = [&]<class T>(reach<T> at) {
      if constexpr (is_vector<T>) {
        if constexpr (list_item<typename T::value_type>) {
          T& items = at(&values);
          for (std::size_t i = 0; i < items.size(); ++i) {
            const auto item_place = [&](const field&) { return loader.place_of(list.key, i); };
            read_secrets(items_of<typename T::value_type>().fields, &items[i],
                         std::string(list.key) + '.', item_place, loader);
          }
        }
      }
    };
    std::visit(read_items, list.at);
  }
}

}  // namespace

std::string mistake::to_text() const {
  std::string shown = file;
  if (line > 0) shown += ':' + std::to_string(line) + ':' + std::to_string(column);
  return shown + ": " + text;
}

loaded load_text(std::string_view yaml, const std::string& name, const environment& env) {
  loaded result;
  tree_loader loader(name, env, result);
  const auto tree = parse_yaml(yaml);
  if (tree.fault.empty()) {
    loader.run(tree.root);
    check_together(result.values, loader);
    read_secrets(result.values, loader);
  } else {
    loader.complain(tree.fault_at, printable(tree.fault));
  }
  return result;
}

loaded load_file(const std::string& path, const environment& env) {
  auto content = read_configuration(path);
  if (content.fault.empty()) return load_text(content.text, path, env);
  loaded nothing;
  nothing.mistakes.push_back({path, 0, 0, "the configuration " + content.fault});
  return nothing;
}

}  // namespace relais::config
