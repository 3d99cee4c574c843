// Access rules: the rows of policy.rules, then the tables of policy.rules_files, in this order; the
// first one that matches decides. `accept` ends the checks of everything but rates, and never gives
// the right to relay.
//
// A decision falls as early as it is certain: at MAIL, unless a rule before it may still match the
// recipient; then at RCPT. A client that is refused hears it there, not in the greeting, so that
// the log has both addresses and the sender's people get a reply they can read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "policy/access_table.hpp"

namespace relais::policy {

struct access_decision {
  config::access_action action = config::access_action::accept;
  std::string text;  ///< of the reply, never empty
  std::string rule;  ///< "relais.yaml:31: policy.rules"
};

class access_rules {
 public:
  /// Reads the files. Throws std::runtime_error with one line for each mistake ("file:line:
  /// sentence").
  explicit access_rules(const config::policy_settings& settings);
  access_rules(std::vector<config::access_rule> rules, std::vector<access_table> tables);

  bool is_empty() const noexcept { return rules_.empty() && tables_.empty(); }
  /// Whether a rule looks at the client's name.
  bool need_client_name() const noexcept;
  /// None: no rule matches, or, while subject.recipient is null, it depends on the recipient.
  std::optional<access_decision> decide(const access_subject& subject) const;

 private:
  std::vector<config::access_rule> rules_;
  std::vector<access_table> tables_;
};

}  // namespace relais::policy
