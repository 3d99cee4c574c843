// RFC numbers are in the tables; this file knows no key by name.
#include "config/tree_loader.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/text.hpp"
#include "config/expand.hpp"
#include "config/nearest.hpp"
#include "config/values.hpp"

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

std::string path_to(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : std::string(path) + '.' + std::string(name);
}

/// "delay" for "policy.greylist.delay" in the section "policy.greylist"; "" if it is not in there.
std::string_view name_within(std::string_view section, std::string_view key) {
  if (!section.empty()) {
    if (!key.starts_with(section) || key.substr(section.size(), 1) != ".") return {};
    key.remove_prefix(section.size() + 1);
  }
  return key.find('.') == std::string_view::npos ? key : std::string_view{};
}

}  // namespace

void tree_loader::complain(position at, std::string text) {
  if (is_full()) return;
  result_.mistakes.push_back({name_, at.line, at.column, std::move(text)});
  if (is_full())
    result_.mistakes.push_back({name_, 0, 0, "too many mistakes, the rest is not shown"});
}

void tree_loader::complain(const target& t, position at, std::string_view text) {
  given_[t.root].is_good = false;
  complain(at, t.shown + ' ' + std::string(text));
}

bool tree_loader::is_full() const {
  return result_.mistakes.size() >= most_mistakes;
}

position tree_loader::place_of(std::string_view key) const {
  const auto found = given_.find(key);
  return found == given_.end() ? position{} : found->second.at;
}

position tree_loader::place_of(std::string_view key, std::size_t item) const {
  const auto found = given_.find(key);
  if (found == given_.end() || item >= found->second.items.size()) return place_of(key);
  return found->second.items[item];
}

bool tree_loader::is_good(std::string_view key) const {
  const auto found = given_.find(key);
  return found == given_.end() || found->second.is_good;
}

void tree_loader::run(const yaml_node& root) {
  if (root.is == node_kind::map) {
    scope top{fields(), &result_.values, {}, {}, {}};
    load_map(top, root);
  } else if (root.is != node_kind::null) {
    complain(root.at, "the file must hold keys with values, as in \"hostname: mail.example.org\"");
  }
}

void tree_loader::load_map(scope& in, const yaml_node& map) {
  std::map<std::string_view, position> seen;
  for (std::size_t i = 0; i + 1 < map.children.size() && !is_full(); i += 2) {
    const auto& key = map.children[i];
    if (key.is == node_kind::scalar) {
      const auto [first, is_new] = seen.emplace(key.text, key.at);
      if (!is_new) {
        complain(key.at, "the key " + quoted(key.text) + " is there twice: first in line " +
                             std::to_string(first->second.line));
        if (!in.root.empty()) given_[in.root].is_good = false;
        continue;
      }
    }
    load_entry(in, key, map.children[i + 1]);
  }
}

void tree_loader::load_entry(scope& in, const yaml_node& key, const yaml_node& value) {
  if (key.is != node_kind::scalar) {
    complain(key.at, "a key must be a word, not " + std::string(kind_name(key.is)));
    if (!in.root.empty()) given_[in.root].is_good = false;
    return;
  }
  const auto found = std::ranges::find_if(in.table, [&](const field& f) {
    return !key.text.empty() && name_within(in.section, f.key) == key.text;
  });
  if (found != in.table.end()) {
    in.seen.push_back(found->key);
    const auto root = in.root.empty() ? found->key : in.root;
    if (in.root.empty()) given_[root].at = value.is == node_kind::null ? key.at : value.at;
    // The parser has no place for a value that is not there.
    load_field({*found, in.owner, path_to(in.path, key.text), root},
               value.is == node_kind::null ? yaml_node{value.is, key.at, {}, {}} : value);
    return;
  }
  const auto path = path_to(in.section, key.text);
  const auto section = std::ranges::find(sections(), std::string_view(path), &section_row::name);
  if (in.root.empty() && section != sections().end() &&
      name_within(in.section, section->name) == key.text) {
    // A section whose keys are all commented out is null.
    if (value.is == node_kind::map) {
      scope inner{in.table, in.owner, path, section->name, {}};
      load_map(inner, value);
    } else if (value.is != node_kind::null) {
      complain(value.at, path + " must be a map of keys, not " + std::string(kind_name(value.is)));
    }
  } else {
    unknown_key(in, key);
  }
}

void tree_loader::unknown_key(const scope& in, const yaml_node& key) {
  if (!in.root.empty()) given_[in.root].is_good = false;
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const auto& f : in.table) {
    if (f.section() == in.section) here.push_back(f.name());
    if (iequals(f.name(), key.text) || iequals(f.key, key.text)) elsewhere = f.key;
  }
  for (const auto& s : sections()) {
    if (!in.root.empty()) break;
    const auto name = name_within(in.section, s.name);
    if (!name.empty()) here.push_back(name);
    if (iequals(s.name.substr(s.name.rfind('.') + 1), key.text)) elsewhere = s.name;
  }
  std::string text = "unknown key " + quoted(key.text);
  if (!in.path.empty()) text += " in " + in.path;
  const auto near = nearest(key.text, here);
  if (!near.empty() && near != key.text) {
    text += ": did you mean \"" + std::string(near) + "\"?";
  } else if (!elsewhere.empty()) {
    const auto dot = elsewhere.rfind('.');
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

void tree_loader::load_field(const target& t, const yaml_node& node) {
  std::visit(
      [&]<class T>(reach<T> at) {
        T& value = at(t.owner);
        if constexpr (is_optional<T>) {
          typename T::value_type items;
          load_list(t, node, items);
          if (is_good(t.root)) value = std::move(items);
        } else if constexpr (is_vector<T>) {
          load_list(t, node, value);
        } else {
          load_value(t, node, value);
        }
      },
      t.f.at);
}

template <class T>
void tree_loader::load_value(const target& t, const yaml_node& node, T& value) {
  const auto& f = t.f;
  if (node.is != node_kind::scalar) {
    if (node.is == node_kind::null) {
      complain(t, node.at, "has no value: write one, or comment the line out");
    } else {
      complain(t, node.at,
               "must be a single value (" + item_type_name(f) + "), not " +
                   std::string(kind_name(node.is)));
    }
    return;
  }
  const auto expanded = expand(node.text, env_);
  if (!expanded.fault.empty()) {
    complain(t, node.at, (f.is_secret ? "(hidden)" : quoted(node.text)) + ": " + expanded.fault);
    return;
  }
  T parsed{};
  auto fault = parse_value(expanded.text, f, parsed);
  if (fault.empty() && f.check != nullptr && !expanded.text.empty()) {
    fault = f.check(expanded.text);
  }
  if (fault.empty() && f.is_list() && expanded.text.empty()) fault = "is empty";
  if (!fault.empty()) {
    complain(t, node.at, (f.is_secret ? "(hidden)" : quoted(expanded.text)) + ' ' + fault);
    return;
  }
  if constexpr (std::is_same_v<T, std::string>) {
    if (f.normal != nullptr) parsed = f.normal(parsed);
  }
  value = std::move(parsed);
}

template <class T>
void tree_loader::load_list(const target& t, const yaml_node& node, std::vector<T>& values) {
  if constexpr (list_item<T>) {
    if (node.is == node_kind::map && items_of<T>().as_map) return load_pairs(t, node, values);
  }
  if (node.is != node_kind::list) {
    const auto kind = "must be a " + type_name(t.f);
    std::string hint = ", not " + std::string(kind_name(node.is));
    if (node.is == node_kind::null) hint = ": write [] for none";
    if (node.is == node_kind::scalar && kind.starts_with("must be a list")) {
      hint += ": write [" + printable(node.text, 100) + ']';
    }
    complain(t, node.at, kind + hint);
    return;
  }
  if (node.children.empty() && !t.f.may_be_empty) {
    complain(t, node.at, "is empty: it needs at least one");
    return;
  }
  std::vector<T> items;
  for (const auto& child : node.children) {
    if (is_full()) return;
    T one{};
    if constexpr (list_item<T>) {
      given_[t.root].items.push_back(child.at);
      load_item(t, child, one);
    } else {
      load_value(t, child, one);
    }
    items.push_back(std::move(one));
  }
  if (is_good(t.root)) values = std::move(items);
}

template <list_item T>
void tree_loader::load_item(const target& list, const yaml_node& node, T& item) {
  const auto& type = items_of<T>();
  if constexpr (requires { item.place; }) item.place = {name_, node.at.line};
  const auto find = [&](std::string_view key) -> const field& {
    return *std::ranges::find(type.fields, key, &field::key);
  };
  if (node.is == node_kind::scalar && !type.short_key.empty()) {
    load_field({find(type.short_key), &item, list.shown, list.root}, node);
    return;
  }
  if (node.is != node_kind::map) {
    complain(list, node.at,
             "must hold items that are maps of keys, not " + std::string(kind_name(node.is)));
    return;
  }
  scope in{type.fields, &item, list.shown, {}, list.root};
  const auto before = result_.mistakes.size();
  load_map(in, node);
  // A key with a typing error is not missing besides.
  if (result_.mistakes.size() != before) return;
  for (const auto& f : type.fields) {
    if (!f.is_required || std::ranges::count(in.seen, f.key) > 0) continue;
    complain(list, node.at, "item has no " + quoted(f.key));
  }
}

template <list_item T>
void tree_loader::load_pairs(const target& list, const yaml_node& map, std::vector<T>& values) {
  const auto& type = items_of<T>();
  std::map<std::string_view, position> seen;
  std::vector<T> items;
  for (std::size_t i = 0; i + 1 < map.children.size() && !is_full(); i += 2) {
    const auto& key = map.children[i];
    const auto& value = map.children[i + 1];
    const auto [first, is_new] = seen.emplace(key.text, key.at);
    if (!is_new && key.is == node_kind::scalar) {
      complain(list, key.at,
               "has the key " + quoted(key.text) + " twice: first in line " +
                   std::to_string(first->second.line));
      continue;
    }
    T one{};
    if constexpr (requires { one.place; }) one.place = {name_, key.at.line};
    given_[list.root].items.push_back(key.at);
    load_field({type.fields[0], &one, list.shown, list.root}, key);
    load_field({type.fields[1], &one, path_to(list.shown, printable(key.text, 100)), list.root},
               value.is == node_kind::null ? yaml_node{value.is, key.at, {}, {}} : value);
    items.push_back(std::move(one));
  }
  if (is_good(list.root)) values = std::move(items);
}

}  // namespace relais::config
