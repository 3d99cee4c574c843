// YAML text as a small tree that remembers where everything stood. The parser of yaml-cpp is used
// by its events only: its own node type drops duplicate keys, follows aliases (which can grow
// without bound) and nests as deep as the input likes. Here, aliases and tags are faults and depth
// is bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace relais::config {

struct position {
  unsigned line = 0, column = 0;  ///< from 1; 0 = nowhere in particular
};

struct yaml_node {
  enum class kind { null, scalar, list, map };
  kind is = kind::null;
  position at;
  std::string text;                 ///< of a scalar
  std::vector<yaml_node> children;  ///< items of a list; key, value, key, value... of a map
};

struct yaml_tree {
  yaml_node root;     ///< null for an empty document
  std::string fault;  ///< empty = good
  position fault_at;
};

yaml_tree parse_yaml(std::string_view text);

}  // namespace relais::config
