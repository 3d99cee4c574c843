#include "config/expand.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"

namespace relais::config {
namespace {

bool is_variable_name(std::string_view name) noexcept {
  return !name.empty() && !is_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '_'; });
}

/// `inner` is what stands between "${" and "}".
void append_variable(std::string_view inner, const environment& env, expansion& e) {
  if (inner.find("${") != std::string_view::npos) {
    // The first "}" would end the outer one, and the second stay as text behind a secret.
    e.fault = "a \"${...}\" inside of another is not supported";
    return;
  }
  const auto colon = inner.find(":-");
  const auto name = inner.substr(0, colon);
  if (!is_variable_name(name)) {
    // The text itself is not repeated: it may be half a password.
    e.fault =
        "\"${...}\" holds no variable name: write ${NAME} or ${NAME:-default}, and $$ for a dollar";
    return;
  }
  const auto value = env(name);
  if (colon != std::string_view::npos && (!value || value->empty())) {
    e.text += inner.substr(colon + 2);
  } else if (value) {
    e.text += *value;
  } else {
    e.fault = "the environment variable " + printable(name, 80) +
              " is not set, and there is no default: write ${" + printable(name, 80) +
              ":-default} or set it";
  }
}

}  // namespace

expansion expand(std::string_view text, const environment& env) {
  expansion e;
  while (e.fault.empty()) {
    const auto dollar = text.find('$');
    e.text += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('{')) {
      const auto end = text.find('}');
      if (end == std::string_view::npos) {
        e.fault = "\"${\" without a closing \"}\"; write $$ for a dollar";
        break;
      }
      append_variable(text.substr(1, end - 1), env, e);
      text.remove_prefix(end + 1);
    } else {
      e.text += '$';
      if (text.starts_with('$')) text.remove_prefix(1);
    }
  }
  return e;
}

std::string escape_dollars(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped.append(c == '$' ? 2 : 1, c);
  return escaped;
}

environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return {};
    return value;
  };
}

}  // namespace relais::config
