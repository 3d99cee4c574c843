#include "config/reply_pattern.hpp"

#include <boost/regex.hpp>
#include <stdexcept>

#include "base/text.hpp"

namespace relais::config {
namespace {

constexpr std::size_t longest_expression = 1000, longest_reply = 512;

boost::regex compile(std::string_view expression) {
  if (expression.size() > longest_expression) {
    throw std::runtime_error("is too long: at most " + std::to_string(longest_expression) +
                             " characters");
  }
  try {
    return boost::regex(expression.data(), expression.data() + expression.size(),
                        boost::regex::ECMAScript | boost::regex::icase);
  } catch (const std::runtime_error& failure) {
    throw std::runtime_error("is no regular expression: " + printable(failure.what(), 300));
  }
}

}  // namespace

struct reply_pattern::compiled {
  boost::regex expression;
};

reply_pattern::reply_pattern(std::string_view expression)
    : compiled_(std::make_unique<const compiled>(compiled{compile(expression)})) {}

reply_pattern::~reply_pattern() = default;
reply_pattern::reply_pattern(reply_pattern&&) noexcept = default;

bool reply_pattern::is_found_in(std::string_view reply) const {
  reply = reply.substr(0, longest_reply);
  try {
    return boost::regex_search(reply.data(), reply.data() + reply.size(), compiled_->expression,
                               boost::regex_constants::match_not_dot_newline);
  } catch (const std::runtime_error&) {
    return false;  // Boost.Regex gives up on expressions that backtrack without end
  }
}

}  // namespace relais::config
