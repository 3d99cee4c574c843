// What must hold for every row of the field tables, whatever it is about: a value that is not the
// default loads, changes its own member and no other, and is printed as it was loaded.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "config/fields.hpp"
#include "config/values.hpp"
#include "settings_for_test.hpp"

using namespace relais;
using namespace relais::config;

namespace {

const std::string fingerprint(64, 'a');

/// A text that the field's check accepts.
std::string sample_text(const field& f) {
  for (const std::string text :
       {"sample", "sample.example", "127.0.0.1:9999", "PLAIN", "SIZE", "/sample", "192.0.2.9",
        "2001:db8::9", "a@sample.example", "https://sample.example/", fingerprint.c_str()}) {
    if (f.check == nullptr || f.check(text).empty()) return text;
  }
  return {};
}

std::uint64_t sample_number(const field& f) {
  const bool is_bounded = f.range.most != std::numeric_limits<std::uint64_t>::max();
  return is_bounded ? f.range.most : 7 * 1024;
}

template <class T>
std::string sample_of_type(const field& f) {
  if constexpr (is_vector<T> || is_optional<T>)
    return '[' + sample_of_type<typename T::value_type>(f) + ']';
  if constexpr (std::is_same_v<T, std::vector<ip_network>>) return "[127.0.0.9/32]";
  if constexpr (std::is_same_v<T, std::string>) return sample_text(f);
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    return f.is_octal ? octal_text(sample_number(f)) : std::to_string(sample_number(f));
  }
  if constexpr (std::is_same_v<T, std::int64_t>) return '-' + std::to_string(sample_number(f));
  if constexpr (std::is_same_v<T, std::uint16_t>) return std::to_string(sample_number(f));
  if constexpr (std::is_same_v<T, byte_size>) return to_text(byte_size{sample_number(f)});
  if constexpr (std::is_same_v<T, duration>) {
    return to_text(duration{static_cast<duration::rep>(sample_number(f))});
  }
  if constexpr (std::is_same_v<T, listen_address>) return "\"192.0.2.9:999\"";
  if constexpr (std::is_same_v<T, ip_network>) return "127.0.0.9/32";
  if constexpr (std::is_same_v<T, endpoint>) return "\"192.0.2.9:999\"";
  if constexpr (enumeration<T>) return std::string(words(T{}).back().text);
  return {};
}

/// A value of the field that is not its default, in YAML, as show() writes it.
std::string sample(const field& f, const std::string& usual) {
  return std::visit(
      [&]<class T>(reach<T>) -> std::string {
        if constexpr (std::is_same_v<T, bool>) {
          return usual == "true" ? "false" : "true";
        } else if constexpr (std::is_same_v<T, std::optional<std::vector<ip_network>>>) {
          return "[127.0.0.9/32]";
        } else if constexpr (enumeration<T>) {
          for (const auto& w : words(T{})) {
            if (w.text != usual && (f.check == nullptr || f.check(w.text).empty())) {
              return std::string(w.text);
            }
          }
          return {};
        } else {
          return sample_of_type<T>(f);
        }
      },
      f.at);
}

/// "policy:\n  greylist:\n    delay: VALUE\n"
std::string yaml_for(std::string_view key, const std::string& value) {
  std::string yaml, indent;
  const auto names = split(key, '.');
  for (const auto name : names) {
    yaml += (yaml.empty() ? "" : "\n") + indent + std::string(name) + ':';
    indent += "  ";
  }
  return yaml + ' ' + value + '\n';
}

settings without_places(settings s) {
  for (auto& one : s.policy.rules) one.place = {};
  for (auto& one : s.policy.dns_lists) one.place = {};
  for (auto& one : s.policy.rates) one.place = {};
  for (auto& one : s.replies) one.place = {};
  for (auto& one : s.routes) one.place = {};
  for (auto& one : s.reply_rules) one.place = {};
  return s;
}

void check_printed(const settings& first) {
  const auto printed = print(first);
  INFO(printed);
  const auto again = load(printed);
  CHECK(print(again.values) == printed);
  CHECK(without_places(again.values) == without_places(first));
}

/// One item of the list with its required keys, and `extra` besides.
std::string item_with(const item_type& type, const std::string& extra) {
  std::string item;
  for (const auto& f : type.fields) {
    if (!f.is_required || extra.starts_with(std::string(f.key) + ':')) continue;
    item += std::string(f.key) + ": " + sample(f, {}) + ", ";
  }
  return '{' + item + extra + '}';
}

}  // namespace

TEST_CASE("every key of the settings changes its own member and no other") {
  const settings defaults;
  for (const auto& f : fields()) {
    if (f.is_list_of_maps()) continue;
    const auto value = sample(f, show(f, &defaults));
    const auto yaml = yaml_for(f.key, value);
    INFO(yaml);
    const auto result = load(yaml);
    for (const auto& m : result.mistakes) {
      // Some values need others besides, or a file; each of these is a value that loaded.
      INFO(m.to_text());
      CHECK((m.text.find(std::string(f.name()) + " \"" + value) == std::string::npos ||
             m.text.find("cannot be opened") != std::string::npos));
    }
    const auto shown = show(f, &result.values);
    CHECK((shown == value || shown == '"' + value + '"' ||
           shown == "[\"" + value.substr(1, value.size() - 2) + "\"]"));
    CHECK(shown != show(f, &defaults));
    for (const auto& other : fields()) {
      if (&other == &f) continue;
      INFO(other.key);
      CHECK(show(other, &result.values) == show(other, &defaults));
    }
    if (!f.is_secret) check_printed(result.values);
  }
}

TEST_CASE("every key of an item changes its own member and no other") {
  for (const auto& list : fields()) {
    const auto* type = items_of(list);
    if (type == nullptr || type->as_map) continue;
    const auto usual = show_item_defaults(list);
    for (std::size_t i = 0; i < type->fields.size(); ++i) {
      const auto& f = type->fields[i];
      if (f.is_secret) continue;  // see below
      const auto extra = std::string(f.key) + ": " + sample(f, usual[i]);
      const auto yaml = yaml_for(list.key, '[' + item_with(*type, extra) + ']');
      INFO(yaml);
      const auto result = load(yaml);
      const auto items = show_items(list, &result.values);
      REQUIRE(items.size() == 1);
      std::size_t required = 0;
      for (const auto& one : type->fields) required += one.is_required ? 1 : 0;
      CHECK(items[0].size() == required + (f.is_required ? 0 : 1));
      const auto start = std::string(f.key) + ": ";
      CHECK(std::ranges::count_if(items[0], [&](const auto& line) {
              return line.starts_with(start) && line != start + usual[i];
            }) == 1);
      check_printed(result.values);
    }
  }
}

TEST_CASE("a secret of an item is read but never printed") {
  std::size_t secrets = 0;
  for (const auto& list : fields()) {
    const auto* type = items_of(list);
    if (type == nullptr) continue;
    for (const auto& f : type->fields) {
      if (!f.is_secret) continue;
      ++secrets;
      const auto yaml = yaml_for(list.key, "[{name: x, " + std::string(f.key) + ": swordfish}]");
      INFO(yaml);
      const auto result = load(yaml);
      REQUIRE(result.values.routes.size() == 1);
      CHECK(result.values.routes[0].password == "swordfish");
      const auto printed = print(result.values);
      CHECK(printed.find("swordfish") == std::string::npos);
      CHECK(printed.find("    # password: (hidden)\n") != std::string::npos);
      CHECK(show(list, &result.values) == "[{name: x}]");
      CHECK(load(printed).values.routes.size() == 1);
      for (const auto& m : result.mistakes) CHECK(m.text.find("swordfish") == std::string::npos);
    }
  }
  CHECK(secrets == 1);
}

/// Members that a table leaves out show as gaps between those that it reaches; alignment leaves
/// smaller ones.
template <class Owner>
void check_no_gaps(std::span<const field> table, Owner& owner) {
  constexpr std::ptrdiff_t alignment = alignof(Owner);
  std::vector<std::pair<const char*, const char*>> covered;
  const auto cover = [&](const auto& value) {
    const auto* begin = reinterpret_cast<const char*>(&value);
    covered.emplace_back(begin, begin + sizeof value);
  };
  for (const auto& f : table) {
    std::visit([&]<class T>(reach<T> at) { cover(at(&owner)); }, f.at);
  }
  if constexpr (requires { owner.place; }) cover(owner.place);
  std::ranges::sort(covered);
  const auto* end = reinterpret_cast<const char*>(&owner);
  for (const auto& [from, to] : covered) {
    CHECK(from >= end);  // no two keys for one member
    CHECK(from - end < alignment);
    end = to;
  }
  CHECK(reinterpret_cast<const char*>(&owner + 1) - end < alignment);
}

TEST_CASE("no member of the settings or of an item is without a key") {
  settings s;
  check_no_gaps(fields(), s);
  const auto check = []<class T>(T item) { check_no_gaps(items_of<T>().fields, item); };
  check(listener{});
  check(certificate_settings{});
  check(certificate_login{});
  check(access_rule{});
  check(dns_list{});
  check(rate_limit{});
  check(reply_text{});
  check(route_settings{});
  check(reply_rule{});
}

TEST_CASE("the examples of all lists of maps are printed as they were loaded") {
  for (const auto& list : fields()) {
    const auto* type = items_of(list);
    if (type == nullptr) continue;
    std::string yaml;
    for (const auto line : split(type->examples, '\n')) {
      yaml += (yaml.empty() ? "" : ", ") + std::string(line);
    }
    const auto value = type->as_map ? '{' + yaml + '}' : '[' + yaml + ']';
    INFO(yaml_for(list.key, value));
    const auto result = load(yaml_for(list.key, value));
    CHECK(show_items(list, &result.values).size() == split(type->examples, '\n').size());
    check_printed(result.values);
  }
}

TEST_CASE("the words of every enumeration are read as what they are shown as") {
  const auto check = []<class E>(E) {
    for (const auto& w : words(E{})) {
      E value{};
      INFO(w.text);
      CHECK(parse_value(w.text, field{.key = "x", .at = {}, .doc = "x"}, value).empty());
      CHECK(value == w.value);
      CHECK_FALSE(word_of(w.value).empty());
    }
  };
  check(listener_role{});
  check(listener_tls{});
  check(tls_version{});
  check(tristate{});
  check(newline_choice{});
  check(access_action{});
  check(rate_of{});
  check(rate_per{});
  check(hello_check{});
  check(reverse_dns_check{});
  check(tls_choice{});
  check(route_action{});
  check(route_protocol{});
  check(reply_action{});
  check(log_level{});
}
