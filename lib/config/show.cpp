// The showing half of values.hpp: typed values as YAML that loads as the same value.
#include <algorithm>
#include <type_traits>

#include "base/text.hpp"
#include "config/expand.hpp"
#include "config/values.hpp"

namespace relais::config {
namespace {

/// Plain where no reader of YAML could take it for anything but text; quoted otherwise.
std::string scalar(std::string_view text) {
  const auto is_plain = [](char c) {
    return is_alnum(c) || c == '.' || c == '/' || c == '-' || c == '_' || c == '@' || c == '+';
  };
  const bool plain = !text.empty() && (is_alpha(text.front()) || text.front() == '/') &&
                     std::ranges::all_of(text, is_plain) && !iequals(text, "null");
  if (plain) return std::string(text);
  static constexpr char hex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : escape_dollars(text)) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (is_control(c)) {
      const auto octet = static_cast<unsigned char>(c);
      quoted += {'\\', 'x', hex[octet >> 4], hex[octet & 15]};
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string item(const std::string& value) {
  return scalar(value);
}
std::string item(bool value) {
  return value ? "true" : "false";
}
std::string item(std::uint64_t value) {
  return std::to_string(value);
}
std::string item(std::uint16_t value) {
  return std::to_string(value);
}
std::string item(byte_size value) {
  return to_text(value);
}
std::string item(duration value) {
  return to_text(value);
}
std::string item(const ip_network& value) {
  const auto text = value.text();
  return value.address().is_v6() ? scalar(text) : text;
}
std::string item(const endpoint& value) {
  return scalar(value.text());
}
std::string item(const listener& value) {
  return "address: " + scalar(value.address.text());
}

std::string item(tls_choice value) {
  switch (value) {
    case tls_choice::none: return "none";
    case tls_choice::may: return "may";
    case tls_choice::encrypt: return "encrypt";
    case tls_choice::verify: return "verify";
  }
  return {};
}

std::string item(log_level value) {
  switch (value) {
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
  }
  return {};
}

template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;

std::string type_of(const std::string&, const field& f) {
  return std::string(f.form);
}
std::string type_of(bool, const field&) {
  return "true or false";
}
std::string type_of(std::uint64_t, const field&) {
  return "number";
}
std::string type_of(std::uint16_t, const field&) {
  return "number";
}
std::string type_of(byte_size, const field&) {
  return "size";
}
std::string type_of(duration, const field&) {
  return "duration";
}
std::string type_of(tls_choice, const field&) {
  return "word";
}
std::string type_of(log_level, const field&) {
  return "word";
}
std::string type_of(const ip_network&, const field&) {
  return "network";
}
std::string type_of(const endpoint&, const field&) {
  return "IP address";
}
std::string type_of(const listener&, const field&) {
  return "listener";
}

}  // namespace

std::vector<std::string> show_items(const field& f, const settings& values) {
  settings copy = values;  // the table reaches into settings that can change
  return std::visit(
      [&]<class T>(reach<T> at) {
        std::vector<std::string> items;
        if constexpr (is_vector<T>) {
          for (const auto& one : at(copy)) items.push_back(item(one));
        } else {
          items.push_back(item(at(copy)));
        }
        return items;
      },
      f.at);
}

std::string show(const field& f, const settings& values) {
  const auto items = show_items(f, values);
  if (!f.is_list()) return items.front();
  const bool maps = std::holds_alternative<reach<std::vector<listener>>>(f.at);
  std::string line;
  for (const auto& one : items) {
    if (!line.empty()) line += ", ";
    line += maps ? '{' + one + '}' : one;
  }
  return '[' + line + ']';
}

std::string item_type_name(const field& f) {
  return std::visit(
      [&]<class T>(reach<T>) {
        if constexpr (is_vector<T>) {
          return type_of(typename T::value_type{}, f);
        } else {
          return type_of(T{}, f);
        }
      },
      f.at);
}

std::string type_name(const field& f) {
  const auto one = item_type_name(f);
  if (!f.is_list()) return one;
  return "list of " + one + (one.ends_with('s') ? "es" : "s");
}

}  // namespace relais::config
