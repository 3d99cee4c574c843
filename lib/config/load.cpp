// The loader: walks the tree of the YAML file along the field table and collects every mistake.
// RFC numbers are in the table; this file knows no key by name but the smarthost's secret.
#include "config/load.hpp"

#include <algorithm>
#include <map>
#include <type_traits>
#include <utility>

#include "base/text.hpp"
#include "config/contradictions.hpp"
#include "config/expand.hpp"
#include "config/fields.hpp"
#include "config/files.hpp"
#include "config/nearest.hpp"
#include "config/values.hpp"
#include "config/yaml_tree.hpp"

namespace relais::config {
namespace {

constexpr std::size_t most_mistakes = 50;  // nobody reads on; bounds the work of hostile input

using node_kind = yaml_node::kind;

std::string quoted(std::string_view text) {
  return '"' + printable(text, 100) + '"';
}

std::string_view kind_name(node_kind kind) {
  switch (kind) {
    case node_kind::null: return "nothing";
    case node_kind::scalar: return "a single value";
    case node_kind::list: return "a list";
    case node_kind::map: return "a map of keys";
  }
  return {};
}

template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;

class loader {
 public:
  loader(std::string name, const environment& env) : name_(std::move(name)), env_(env) {}

  loaded run(std::string_view yaml);

 private:
  struct given {
    position at;
    bool is_good = true;
  };

  void complain(position at, std::string text);
  /// A mistake in the value of a field: it plays no part in cross-field checks.
  void complain(const field& f, position at, std::string text);
  bool is_full() const { return result_.mistakes.size() >= most_mistakes; }

  void load_section(const yaml_node& map, std::string_view section);
  void load_entry(const yaml_node& key, const yaml_node& value, std::string_view section);
  void unknown_key(const yaml_node& key, std::string_view section);
  void load_field(const field& f, const yaml_node& node);
  template <class T>
  void load_value(const field& f, const yaml_node& node, T& value);
  template <class T>
  void load_list(const field& f, const yaml_node& node, std::vector<T>& values);
  /// The text of a map item of `listeners`: its one key is "address".
  const yaml_node* listener_address(const field& f, const yaml_node& map);
  void check_together();
  void read_password();

  std::string name_;
  const environment& env_;
  loaded result_;
  std::map<std::string_view, given> given_;  // by the keys of the table
};

void loader::complain(position at, std::string text) {
  if (is_full()) return;
  result_.mistakes.push_back({name_, at.line, at.column, std::move(text)});
  if (is_full())
    result_.mistakes.push_back({name_, 0, 0, "too many mistakes, the rest is not shown"});
}

void loader::complain(const field& f, position at, std::string text) {
  given_[f.key].is_good = false;
  complain(at, std::string(f.key) + ' ' + text);
}

loaded loader::run(std::string_view yaml) {
  const auto tree = parse_yaml(yaml);
  if (!tree.fault.empty()) {
    complain(tree.fault_at, printable(tree.fault));
  } else if (tree.root.is == node_kind::map) {
    load_section(tree.root, {});
    check_together();
  } else if (tree.root.is != node_kind::null) {
    complain(tree.root.at,
             "the file must hold keys with values, as in \"hostname: mail.example.org\"");
  }
  return std::move(result_);
}

void loader::load_section(const yaml_node& map, std::string_view section) {
  std::map<std::string_view, position> seen;
  for (std::size_t i = 0; i + 1 < map.children.size() && !is_full(); i += 2) {
    const auto& key = map.children[i];
    if (key.is == node_kind::scalar) {
      const auto [first, is_new] = seen.emplace(key.text, key.at);
      if (!is_new) {
        complain(key.at, "the key " + quoted(key.text) + " is there twice: first in line " +
                             std::to_string(first->second.line));
        continue;
      }
    }
    load_entry(key, map.children[i + 1], section);
  }
}

void loader::load_entry(const yaml_node& key, const yaml_node& value, std::string_view section) {
  if (key.is != node_kind::scalar) {
    complain(key.at, "a key must be a word, not " + std::string(kind_name(key.is)));
    return;
  }
  const auto path = section.empty() ? key.text : std::string(section) + '.' + key.text;
  if (const auto* f = key.text.find('.') == std::string::npos ? find_field(path) : nullptr) {
    // The parser has no place for a value that is not there.
    load_field(*f, value.is == node_kind::null ? yaml_node{value.is, key.at, {}, {}} : value);
  } else if (section.empty() && std::ranges::count(sections(), key.text) > 0) {
    // A section whose keys are all commented out is null.
    if (value.is == node_kind::map) {
      load_section(value, key.text);
    } else if (value.is != node_kind::null) {
      complain(value.at,
               key.text + " must be a map of keys, not " + std::string(kind_name(value.is)));
    }
  } else {
    unknown_key(key, section);
  }
}

void loader::unknown_key(const yaml_node& key, std::string_view section) {
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const auto& f : fields()) {
    if (f.section() == section) here.push_back(f.name());
    if (iequals(f.name(), key.text) || iequals(f.key, key.text)) elsewhere = f.key;
  }
  if (section.empty()) here.insert(here.end(), sections().begin(), sections().end());

  std::string text = "unknown key " + quoted(key.text);
  if (!section.empty()) text += " in " + std::string(section);
  const auto near = nearest(key.text, here);
  if (!near.empty() && near != key.text) {
    text += ": did you mean \"" + std::string(near) + "\"?";
  } else if (!elsewhere.empty()) {
    const auto dot = elsewhere.find('.');
    text += dot == std::string_view::npos
                ? ": it belongs to the top level"
                : ": \"" + std::string(elsewhere.substr(dot + 1)) + "\" belongs under \"" +
                      std::string(elsewhere.substr(0, dot)) + ":\"";
  } else {
    std::string valid;
    for (const auto word : here) valid += (valid.empty() ? "" : ", ") + std::string(word);
    text += "; valid here: " + valid;
  }
  complain(key.at, std::move(text));
}

void loader::load_field(const field& f, const yaml_node& node) {
  given_[f.key] = {node.at, true};
  std::visit(
      [&]<class T>(reach<T> at) {
        if constexpr (is_vector<T>) {
          load_list(f, node, at(result_.values));
        } else {
          load_value(f, node, at(result_.values));
        }
      },
      f.at);
}

template <class T>
void loader::load_value(const field& f, const yaml_node& node, T& value) {
  if (node.is != node_kind::scalar) {
    if (node.is == node_kind::null) {
      complain(f, node.at, "has no value: write one, or comment the line out");
    } else {
      complain(f, node.at,
               "must be a single value (" + item_type_name(f) + "), not " +
                   std::string(kind_name(node.is)));
    }
    return;
  }
  const auto expanded = expand(node.text, env_);
  if (!expanded.fault.empty()) {
    complain(f, node.at, (f.is_secret ? "(hidden)" : quoted(node.text)) + ": " + expanded.fault);
    return;
  }
  T parsed{};
  auto fault = parse_value(expanded.text, f, parsed);
  if (fault.empty() && f.check != nullptr && !expanded.text.empty()) {
    fault = f.check(expanded.text);
  }
  if (fault.empty() && f.check != nullptr && f.is_list() && expanded.text.empty()) {
    fault = "is empty";
  }
  if (fault.empty()) {
    value = std::move(parsed);
  } else {
    complain(f, node.at, (f.is_secret ? "(hidden)" : quoted(expanded.text)) + ' ' + fault);
  }
}

template <class T>
void loader::load_list(const field& f, const yaml_node& node, std::vector<T>& values) {
  if (node.is != node_kind::list) {
    auto text = "must be a " + type_name(f);
    if (node.is == node_kind::null) {
      text += ": write [] for none";
    } else {
      text += ", not " + std::string(kind_name(node.is));
    }
    if (node.is == node_kind::scalar) text += ": write [" + printable(node.text, 100) + ']';
    complain(f, node.at, std::move(text));
    return;
  }
  if (node.children.empty() && !f.may_be_empty) {
    complain(f, node.at, "is empty: it needs at least one");
    return;
  }
  std::vector<T> items;
  for (const auto& child : node.children) {
    if (is_full()) return;
    const auto* one = &child;
    if constexpr (std::is_same_v<T, listener>) {
      if (child.is == node_kind::map) one = listener_address(f, child);
      if (one == nullptr) continue;
    }
    T item{};
    load_value(f, *one, item);
    items.push_back(std::move(item));
  }
  if (given_[f.key].is_good) values = std::move(items);
}

const yaml_node* loader::listener_address(const field& f, const yaml_node& map) {
  static constexpr std::string_view keys[] = {"address"};
  const yaml_node* address = nullptr;
  for (std::size_t i = 0; i + 1 < map.children.size(); i += 2) {
    const auto& key = map.children[i];
    if (key.is == node_kind::scalar && key.text == keys[0]) {
      if (address != nullptr) complain(f, key.at, "item has two keys \"address\"");
      address = &map.children[i + 1];
      continue;
    }
    const auto near = nearest(key.text, keys);
    complain(f, key.at,
             "item has the unknown key " + quoted(key.text) +
                 (near.empty() ? "; valid here: address" : ": did you mean \"address\"?"));
  }
  if (address == nullptr && given_[f.key].is_good) {
    complain(f, map.at, "item has no address: write - address: \"127.0.0.1:25\"");
  }
  return address;
}

void loader::check_together() {
  for (auto& c : contradictions(result_.values)) {
    position at;
    bool is_certain = true;
    for (const auto key : c.keys) {
      const auto found = given_.find(key);
      if (found == given_.end()) continue;
      if (at.line == 0) at = found->second.at;
      is_certain = is_certain && found->second.is_good;
    }
    // A value that was refused itself would only cause a second complaint about the same thing.
    if (is_certain) complain(at, std::move(c.text));
  }
  read_password();
}

void loader::read_password() {
  const auto& path = result_.values.smarthost.password_file;
  if (path.empty() || !result_.values.smarthost.password.empty()) return;
  auto secret = read_secret(path);
  if (secret.fault.empty()) {
    result_.values.smarthost.password = std::move(secret.text);
  } else {
    const auto* f = find_field("smarthost.password_file");
    complain(*f, given_[f->key].at, quoted(path) + ' ' + secret.fault);
  }
}

}  // namespace

std::string mistake::to_text() const {
  std::string shown = file;
  if (line > 0) shown += ':' + std::to_string(line) + ':' + std::to_string(column);
  return shown + ": " + text;
}

loaded load_text(std::string_view yaml, const std::string& name, const environment& env) {
  return loader(name, env).run(yaml);
}

loaded load_file(const std::string& path, const environment& env) {
  auto content = read_configuration(path);
  if (content.fault.empty()) return load_text(content.text, path, env);
  loaded nothing;
  nothing.mistakes.push_back({path, 0, 0, "the configuration " + content.fault});
  return nothing;
}

}  // namespace relais::config
