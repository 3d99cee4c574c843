#include "policy/dns_lists.hpp"

#include <algorithm>
#include <string_view>

#include "policy/rule_name.hpp"

namespace relais::policy {

namespace {

/// `text` with every `name` in it replaced.
std::string filled_in(std::string text, std::string_view name, std::string_view value) {
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
    text.replace(at, name.size(), value);
    at += value.size();
  }
  return text;
}

}  // namespace

std::string dns_list_query(const config::dns_list& list, const ip_address& client) {
  return client.reversed() + '.' + list.zone;
}

bool is_listed(const config::dns_list& list, const std::vector<ip_address>& answers) {
  static const auto usual = *ip_network::parse("127.0.0.0/8");
  static const auto refusals = *ip_network::parse("127.255.255.0/24");
  return std::ranges::any_of(answers, [&](const ip_address& a) {
    if (list.answers.empty()) return usual.contains(a) && !refusals.contains(a);
    return is_in_any(a, list.answers);
  });
}

std::optional<dns_list_verdict> judge_dns_lists(const config::policy_settings& settings,
                                                const std::vector<bool>& listed,
                                                const ip_address& client) {
  std::int64_t score = 0;
  const config::dns_list* heaviest = nullptr;
  for (std::size_t i = 0; i < settings.dns_lists.size() && i < listed.size(); ++i) {
    if (!listed[i]) continue;
    const auto& list = settings.dns_lists[i];
    score += list.score;
    if (list.score > 0 && (heaviest == nullptr || list.score > heaviest->score)) heaviest = &list;
  }
  // Without a list that speaks against the client there is nothing to refuse it for.
  if (heaviest == nullptr || score < static_cast<std::int64_t>(settings.dns_reject_score))
    return {};
  dns_list_verdict verdict;
  verdict.text = heaviest->text.empty() ? "{client} listed by {zone}" : heaviest->text;
  verdict.text = filled_in(std::move(verdict.text), "{client}", client.text());
  verdict.text = filled_in(std::move(verdict.text), "{zone}", heaviest->zone);
  verdict.rule = rule_name(heaviest->place, "policy.dns_lists " + heaviest->zone) + ", score " +
                 std::to_string(score);
  return verdict;
}

}  // namespace relais::policy
