#include "policy/access_pattern.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::policy {

namespace {

/// ".b.example", ".example" of "a.b.example".
void append_parents(std::vector<std::string>& keys, std::string_view name) {
  // Far more than any real name has; a name of dots and letters must not cost more.
  constexpr std::size_t most = 32;
  for (auto dot = name.find('.'); dot != std::string_view::npos && keys.size() < most;
       dot = name.find('.', dot + 1)) {
    keys.emplace_back(name.substr(dot));
  }
}

/// "\"a\\ b\"" as "a b" (RFC 5321 4.1.2: quoting does not make another mailbox).
std::string unquoted(std::string_view local_part) {
  if (local_part.size() < 2 || !local_part.starts_with('"')) return std::string(local_part);
  std::string plain;
  for (std::size_t i = 1; i + 1 < local_part.size(); ++i) {
    if (local_part[i] == '\\' && i + 2 < local_part.size()) ++i;
    plain += local_part[i];
  }
  return plain;
}

bool has_blank_or_control(std::string_view word) {
  return std::ranges::any_of(word, [](char c) { return c == ' ' || is_control(c); });
}

}  // namespace

std::vector<std::string> host_keys(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty()) return {};
  const auto lower = to_lower(name);
  std::vector<std::string> keys{lower};
  append_parents(keys, lower);
  return keys;
}

std::vector<std::string> address_keys(const smtp::path& address) {
  if (address.is_null()) return {"<>"};
  const auto local_part = to_lower(unquoted(address.local_part()));
  const auto domain = to_lower(address.domain());
  std::vector<std::string> keys{local_part + '@' + domain, local_part + '@', domain};
  // A bare <postmaster> has no domain to be matched.
  if (domain.empty()) keys.resize(1);
  if (!address.is_domain_literal()) append_parents(keys, domain);
  return keys;
}

std::string host_key_of(std::string_view word) {
  if (word.ends_with('.')) word.remove_suffix(1);
  if (word.empty() || has_blank_or_control(word)) return {};
  return to_lower(word);
}

std::string address_key_of(std::string_view word) {
  if (word.empty() || is_control(word.front())) return {};
  if (word == "<>") return "<>";
  const auto at = word.rfind('@');
  if (at == std::string_view::npos) return host_key_of(word);
  const auto domain = word.substr(at + 1);
  if (at == 0 || has_blank_or_control(domain)) return {};
  return to_lower(unquoted(word.substr(0, at))) + '@' + to_lower(domain);
}

}  // namespace relais::policy
