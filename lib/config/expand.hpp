// ${NAME} and ${NAME:-default} in scalar values. It happens after YAML parsing, so that the content
// of a variable is always a value and never structure.
#pragma once

#include <string>
#include <string_view>

#include "config/load.hpp"

namespace relais::config {

struct expansion {
  std::string text;
  std::string fault;  ///< empty = good; names variables, never their values
};

/// `$$` is one dollar; a `$` before anything but `{` or `$` stays. The default, taken where the
/// variable is unset or empty, ends at the first `}` and is not expanded again.
expansion expand(std::string_view text, const environment& env);
/// The inverse for printing: text that expands to `text`.
std::string escape_dollars(std::string_view text);

}  // namespace relais::config
