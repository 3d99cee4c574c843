// What an operator's reply_rules make of a refusal: "421 4.7.0" from *.example pauses the
// destination for ten minutes. The first rule that matches decides. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace relais::policy {

struct reply_decision {
  config::reply_action action = config::reply_action::defer;
  duration time{};
  std::string rule;  ///< "relais.yaml:31: reply_rules"
};

class reply_rules {
 public:
  /// Throws std::runtime_error with one line per mistake (a regular expression that is none).
  explicit reply_rules(const std::vector<config::reply_rule>& rules);
  ~reply_rules();
  bool is_empty() const noexcept;
  /// `reply`: "421 4.7.0 try later", one line; `host`, `domain` lower case.
  std::optional<reply_decision> decide(std::string_view reply, std::string_view host,
                                       std::string_view domain) const;

 private:
  struct compiled;
  std::vector<std::unique_ptr<const compiled>> rules_;
};

}  // namespace relais::policy
