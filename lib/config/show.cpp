// The showing half of values.hpp: typed values as YAML that loads as the same value.
#include <algorithm>
#include <type_traits>

#include "base/text.hpp"
#include "config/expand.hpp"
#include "config/values.hpp"

namespace relais::config {
namespace {

/// Words that some readers of YAML take for something else than text.
bool is_yaml_word(std::string_view text) {
  static constexpr std::string_view words[] = {"null", "true", "false", "yes", "no",
                                               "on",   "off",  "y",     "n"};
  return std::ranges::any_of(words, [&](auto word) { return iequals(word, text); });
}

/// Plain where no reader of YAML could take it for anything but text; quoted otherwise.
std::string scalar(std::string_view text) {
  const auto is_plain = [](char c) {
    return is_alnum(c) || c == '.' || c == '/' || c == '-' || c == '_' || c == '@' || c == '+';
  };
  const bool plain = !text.empty() && (is_alpha(text.front()) || text.front() == '/') &&
                     std::ranges::all_of(text, is_plain) && !is_yaml_word(text);
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

std::string joined(const std::vector<std::string>& parts) {
  std::string line;
  for (const auto& one : parts) {
    if (!line.empty()) line += ", ";
    line += one;
  }
  return line;
}

// One value; the field knows what the type does not.

std::string item(const std::string& value, const field&) {
  return scalar(value);
}
std::string item(bool value, const field&) {
  return value ? "true" : "false";
}
std::string item(std::uint64_t value, const field& f) {
  return f.is_octal ? octal_text(value) : std::to_string(value);
}
std::string item(std::int64_t value, const field&) {
  return std::to_string(value);
}
std::string item(std::uint16_t value, const field&) {
  return std::to_string(value);
}
std::string item(byte_size value, const field&) {
  return to_text(value);
}
std::string item(duration value, const field&) {
  return to_text(value);
}
std::string item(const ip_network& value, const field&) {
  const auto text = value.text();
  return value.address().is_v6() ? scalar(text) : text;
}
std::string item(const endpoint& value, const field&) {
  return scalar(value.text());
}
std::string item(const listen_address& value, const field&) {
  return scalar(value.text());
}
template <enumeration E>
std::string item(E value, const field&) {
  return std::string(word_of(value));
}

template <class T>
std::string list_of(const std::vector<T>& values, const field& f) {
  std::vector<std::string> items;
  for (const auto& one : values) items.push_back(item(one, f));
  return '[' + joined(items) + ']';
}

/// The lines of an item; secrets appear as comments, or not at all.
template <list_item T>
std::vector<std::string> lines_of(const T& value, bool with_comments) {
  const auto& type = items_of<T>();
  if (type.as_map) {
    return {show(type.fields[0], &value) + ": " + show(type.fields[1], &value)};
  }
  static const T defaults{};
  std::vector<std::string> lines;
  for (const auto& f : type.fields) {
    auto shown = show(f, &value);
    if (!f.is_required && shown == show(f, &defaults)) continue;
    if (f.is_secret) {
      if (with_comments) lines.push_back("# " + std::string(f.key) + ": (hidden)");
      continue;
    }
    lines.push_back(std::string(f.key) + ": " + std::move(shown));
  }
  return lines;
}

template <list_item T>
std::string list_of(const std::vector<T>& values, const field&) {
  const bool as_map = items_of<T>().as_map;
  std::vector<std::string> items;
  for (const auto& one : values) {
    const auto line = joined(lines_of(one, false));
    items.push_back(as_map ? line : '{' + line + '}');
  }
  return as_map ? '{' + joined(items) + '}' : '[' + joined(items) + ']';
}

/// The table reaches into owners that may change; showing only reads.
template <class T>
const T& value_of(reach<T> at, const void* owner) {
  return at(const_cast<void*>(owner));
}

template <class T>
std::string type_of(const field& f) {
  if constexpr (std::is_same_v<T, std::string>) return std::string(f.form);
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::uint64_t>) return f.is_octal ? "octal number" : "number";
  if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint16_t>) {
    return "number";
  }
  if constexpr (std::is_same_v<T, byte_size>) return "size";
  if constexpr (std::is_same_v<T, duration>) return "duration";
  if constexpr (std::is_same_v<T, ip_network>) return "network";
  if constexpr (std::is_same_v<T, endpoint>) return "IP address";
  if constexpr (std::is_same_v<T, listen_address>) return "address and port, or socket";
  if constexpr (enumeration<T>) return "word";
  if constexpr (is_vector<T>) return type_of<typename T::value_type>(f);
  if constexpr (is_optional<T>) return type_of<typename T::value_type>(f);
  if constexpr (list_item<T>) return std::string(items_of<T>().name);
  return {};
}

}  // namespace

std::string octal_text(std::uint64_t number) {
  std::string digits;
  for (; number != 0; number /= 8)
    digits.insert(digits.begin(), static_cast<char>('0' + number % 8));
  return '0' + digits;
}

std::vector<std::vector<std::string>> show_items(const field& f, const void* owner) {
  return std::visit(
      [&]<class T>(reach<T> at) {
        std::vector<std::vector<std::string>> items;
        if constexpr (is_vector<T>) {
          if constexpr (list_item<typename T::value_type>) {
            for (const auto& one : value_of(at, owner)) items.push_back(lines_of(one, true));
          }
        }
        return items;
      },
      f.at);
}

std::vector<std::string> show_item_defaults(const field& list) {
  return std::visit(
      [&]<class T>(reach<T>) {
        std::vector<std::string> shown;
        if constexpr (is_vector<T>) {
          if constexpr (list_item<typename T::value_type>) {
            const typename T::value_type defaults{};
            for (const auto& f : items_of<typename T::value_type>().fields) {
              shown.push_back(show(f, &defaults));
            }
          }
        }
        return shown;
      },
      list.at);
}

std::string show(const field& f, const void* owner) {
  return std::visit(
      [&]<class T>(reach<T> at) -> std::string {
        const T& value = value_of(at, owner);
        if constexpr (is_vector<T>) {
          return list_of(value, f);
        } else if constexpr (is_optional<T>) {
          return value ? list_of(*value, f) : std::string();
        } else {
          return item(value, f);
        }
      },
      f.at);
}

std::string item_type_name(const field& f) {
  return std::visit([&]<class T>(reach<T>) { return type_of<T>(f); }, f.at);
}

std::string type_name(const field& f) {
  const auto one = item_type_name(f);
  if (!f.is_list()) return one;
  const auto* type = items_of(f);
  const bool is_map = type != nullptr && type->as_map;
  return (is_map ? "map of " : "list of ") + one + (one.ends_with('s') ? "es" : "s");
}

}  // namespace relais::config
