#include "policy/access_rules.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "policy/access_pattern.hpp"
#include "policy/rule_name.hpp"

namespace relais::policy {

namespace {

constexpr std::uintmax_t largest_table = 64u << 20;

using keys = std::vector<std::string>;

bool any_key(const std::vector<std::string>& words, const keys& of_subject,
             std::string (*key_of)(std::string_view)) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    const auto key = key_of(word);
    return !key.empty() && std::ranges::find(of_subject, key) != of_subject.end();
  });
}

/// All criteria but the recipient.
bool matches_but_recipient(const config::access_rule& rule, const access_subject& s) {
  if (!rule.clients.empty() && !is_in_any(s.client, rule.clients)) return false;
  if (!rule.users.empty() &&
      (s.user.empty() || std::ranges::find(rule.users, s.user) == rule.users.end()))
    return false;
  if (!rule.client_names.empty() &&
      !any_key(rule.client_names, host_keys(s.client_name), host_key_of))
    return false;
  if (!rule.hellos.empty() && !any_key(rule.hellos, host_keys(s.hello), host_key_of)) return false;
  if (rule.senders.empty()) return true;
  return s.sender != nullptr && any_key(rule.senders, address_keys(*s.sender), address_key_of);
}

std::string plain_sentence(config::access_action action, const access_subject& s) {
  const auto subject = s.recipient != nullptr ? "<" + s.recipient->text() + ">: " : std::string();
  return subject + (action == config::access_action::defer
                        ? "Access denied for now, try again later"
                        : "Access denied");
}

access_decision decided(config::access_action action, const std::string& text, std::string rule,
                        const access_subject& s) {
  access_decision d;
  d.action = action;
  d.text = text.empty() ? plain_sentence(action, s) : text;
  d.rule = std::move(rule);
  return d;
}

std::string content_of(const std::string& file, std::vector<std::string>& mistakes) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(file, failure);  // of regular files only
  if (failure) {
    mistakes.push_back(file + ": cannot be read: " + failure.message());
    return {};
  }
  if (size > largest_table) {
    mistakes.push_back(file + ": is larger than 64 MiB");
    return {};
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    mistakes.push_back(file + ": cannot be read");
  }
  return text;
}

std::vector<access_table> read_tables(const std::vector<std::string>& files) {
  std::vector<access_table> tables;
  std::vector<std::string> mistakes;
  for (const auto& file : files) tables.emplace_back(content_of(file, mistakes), file, mistakes);
  std::string all;
  for (const auto& mistake : mistakes) all += (all.empty() ? "" : "\n") + mistake;
  if (!all.empty()) throw std::runtime_error(all);
  return tables;
}

}  // namespace

access_rules::access_rules(const config::policy_settings& settings)
    : access_rules(settings.rules, read_tables(settings.rules_files)) {}

access_rules::access_rules(std::vector<config::access_rule> rules, std::vector<access_table> tables)
    : rules_(std::move(rules)), tables_(std::move(tables)) {}

bool access_rules::need_client_name() const noexcept {
  return std::ranges::any_of(rules_, [](const auto& r) { return !r.client_names.empty(); }) ||
         std::ranges::any_of(tables_, [](const auto& t) {
           return t.first_line(access_kind::client_name) != UINT_MAX;
         });
}

std::optional<access_decision> access_rules::decide(const access_subject& s) const {
  for (const auto& rule : rules_) {
    if (!matches_but_recipient(rule, s)) continue;
    if (!rule.recipients.empty()) {
      if (s.recipient == nullptr) return {};
      if (!any_key(rule.recipients, address_keys(*s.recipient), address_key_of)) continue;
    }
    return decided(rule.action, rule.text, rule_name(rule.place, "policy.rules"), s);
  }
  for (const auto& table : tables_) {
    const auto* row = table.find(s);
    if (s.recipient == nullptr) {
      const auto first = table.first_line(access_kind::recipient);
      if (first != UINT_MAX && (row == nullptr || first < row->line)) return {};
    }
    if (row == nullptr) continue;
    return decided(row->action, row->text, table.file() + ':' + std::to_string(row->line), s);
  }
  return {};
}

}  // namespace relais::policy
