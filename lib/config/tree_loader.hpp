// Walks the tree of a YAML file along the field table into settings: kinds, units, ranges, unknown
// and doubled keys. What single values cannot tell is asked behind it (load.cpp). Internal to
// config/.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.hpp"
#include "config/load.hpp"
#include "config/yaml_tree.hpp"

namespace relais::config {

class tree_loader {
 public:
  /// `name` stands for the file in mistakes and places. All must outlive this object.
  tree_loader(const std::string& name, const environment& env, loaded& into)
      : name_(name), env_(env), result_(into) {}

  void run(const yaml_node& root);

  /// A mistake; beyond some fifty they are not kept.
  void complain(position at, std::string text);
  /// Where the value of a key of fields() was given; nowhere if it was not.
  position place_of(std::string_view key) const;
  /// The same for one item of a list of maps.
  position place_of(std::string_view key, std::size_t item) const;
  /// Nothing was wrong with its value, or it was not given.
  bool is_good(std::string_view key) const;

 private:
  struct given {
    position at;
    bool is_good = true;
    std::vector<position> items;
  };
  /// A table that keys are looked up in.
  struct scope {
    std::span<const field> table;
    void* owner;
    std::string path;          ///< of the section or list, for people; "" = the top level
    std::string_view section;  ///< within the table
    std::string_view root;     ///< of items: the key of their list; "" in the settings
    std::vector<std::string_view> seen{};  ///< keys of the table that were given
  };
  /// A field that is about to get its value.
  struct target {
    const field& f;
    void* owner;
    std::string shown;      ///< "policy.rules.action"
    std::string_view root;  ///< key of fields() that it belongs to, in given_
  };

  void complain(const target& t, position at, std::string_view text);
  bool is_full() const;
  void load_map(scope& in, const yaml_node& map);
  void load_entry(scope& in, const yaml_node& key, const yaml_node& value);
  void unknown_key(const scope& in, const yaml_node& key);
  void load_field(const target& t, const yaml_node& node);
  template <class T>
  void load_value(const target& t, const yaml_node& node, T& value);
  template <class T>
  void load_list(const target& t, const yaml_node& node, std::vector<T>& values);
  template <list_item T>
  void load_item(const target& list, const yaml_node& node, T& item);
  /// `replies`: a map whose keys and values are the items.
  template <list_item T>
  void load_pairs(const target& list, const yaml_node& map, std::vector<T>& values);

  const std::string& name_;
  const environment& env_;
  loaded& result_;
  std::map<std::string_view, given> given_;  // by the keys of fields()
};

}  // namespace relais::config
