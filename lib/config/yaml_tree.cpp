#include "config/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <cstddef>
#include <sstream>
#include <utility>

namespace relais::config {
namespace {

constexpr std::size_t deepest = 10;  // the configuration needs five levels

position place(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<unsigned>(mark.line) + 1, static_cast<unsigned>(mark.column) + 1};
}

/// Thrown through the parser to stop it: the input is not worth reading on.
struct refusal {
  std::string text;
  position at;
};

class tree_builder final : public YAML::EventHandler {
 public:
  explicit tree_builder(yaml_node& root) : root_(root) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    add({yaml_node::kind::null, place(mark), {}, {}});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw refusal{"YAML aliases (*name) are not supported: write the value out", place(mark)};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    refuse_tag(tag, mark);
    add({yaml_node::kind::scalar, place(mark), value, {}});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(yaml_node::kind::list, tag, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(yaml_node::kind::map, tag, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  static void refuse_tag(const std::string& tag, const YAML::Mark& mark) {
    // "?" and "!" are the parser's own words for plain and quoted values.
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw refusal{"YAML tags (!name) are not supported", place(mark)};
  }

  void open(yaml_node::kind is, const std::string& tag, const YAML::Mark& mark) {
    refuse_tag(tag, mark);
    if (unfinished_.size() >= deepest) throw refusal{"nested too deeply", place(mark)};
    unfinished_.push_back({is, place(mark), {}, {}});
  }

  void close() {
    auto done = std::move(unfinished_.back());
    unfinished_.pop_back();
    add(std::move(done));
  }

  void add(yaml_node&& node) {
    if (unfinished_.empty()) {
      root_ = std::move(node);
    } else {
      unfinished_.back().children.push_back(std::move(node));
    }
  }

  yaml_node& root_;
  std::vector<yaml_node> unfinished_;  // the open lists and maps, outermost first
};

}  // namespace

yaml_tree parse_yaml(std::string_view text) {
  yaml_tree tree;
  std::istringstream input{std::string(text)};
  try {
    YAML::Parser parser(input);
    tree_builder first(tree.root);
    if (!parser.HandleNextDocument(first)) return tree;
    yaml_node second;
    tree_builder rest(second);
    if (parser.HandleNextDocument(rest)) {
      tree.fault = "a second YAML document begins (---): one file holds one configuration";
      tree.fault_at = second.at;
    }
  } catch (const refusal& r) {
    tree.fault = r.text;
    tree.fault_at = r.at;
  } catch (const YAML::Exception& e) {
    tree.fault = "not valid YAML: " + e.msg;
    tree.fault_at = place(e.mark);
  }
  return tree;
}

}  // namespace relais::config
