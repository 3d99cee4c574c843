#include "policy/reply_rules.hpp"

#include <algorithm>
#include <stdexcept>

#include "config/reply_pattern.hpp"
#include "policy/access_pattern.hpp"
#include "policy/rule_name.hpp"

namespace relais::policy {
namespace {

/// `keys` of the words; none: anything.
bool is_one_of(const std::vector<std::string>& keys, std::string_view name) {
  if (keys.empty()) return true;
  const auto of_name = host_keys(name);
  return std::ranges::any_of(
      of_name, [&](const std::string& key) { return std::ranges::find(keys, key) != keys.end(); });
}

std::vector<std::string> keys_of(const std::vector<std::string>& words) {
  std::vector<std::string> keys;
  for (const auto& word : words) keys.push_back(host_key_of(word));
  return keys;
}

}  // namespace

struct reply_rules::compiled {
  config::reply_pattern pattern;
  std::vector<std::string> hosts, domains;
  reply_decision decision;
};

reply_rules::reply_rules(const std::vector<config::reply_rule>& rules) {
  std::string mistakes;
  for (const auto& rule : rules) {
    try {
      const auto time = rule.action == config::reply_action::pause ? rule.time : duration{};
      rules_.push_back(std::make_unique<const compiled>(
          compiled{config::reply_pattern(rule.reply),
                   keys_of(rule.hosts),
                   keys_of(rule.domains),
                   {rule.action, time, rule_name(rule.place, "reply_rules")}}));
    } catch (const std::runtime_error& fault) {
      if (!mistakes.empty()) mistakes += '\n';
      mistakes += rule_name(rule.place, "reply_rules") + ": " + fault.what();
    }
  }
  if (!mistakes.empty()) throw std::runtime_error(mistakes);
}

reply_rules::~reply_rules() = default;

bool reply_rules::is_empty() const noexcept {
  return rules_.empty();
}

std::optional<reply_decision> reply_rules::decide(std::string_view reply, std::string_view host,
                                                  std::string_view domain) const {
  for (const auto& rule : rules_) {
    if (is_one_of(rule->hosts, host) && is_one_of(rule->domains, domain) &&
        rule->pattern.is_found_in(reply)) {
      return rule->decision;
    }
  }
  return {};
}

}  // namespace relais::policy
