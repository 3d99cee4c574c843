// The regular expressions of reply_rules: ECMAScript, no case, searched in the text of a reply. The
// engine behind them is bounded in memory and work, whatever the expression and the reply are.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace relais::config {

class reply_pattern {
 public:
  /// Throws std::runtime_error with the end of a sentence: "is no regular expression: ...".
  explicit reply_pattern(std::string_view expression);
  ~reply_pattern();
  reply_pattern(reply_pattern&&) noexcept;
  /// Looks at the first 512 octets. An expression that would take too long there does not match.
  bool is_found_in(std::string_view reply) const;

 private:
  struct compiled;
  std::unique_ptr<const compiled> compiled_;
};

}  // namespace relais::config
