// DNS block and allow lists (RFC 5782): which names to ask about a client, and what the answers
// weigh together. Pure; asking is done elsewhere, all lists at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "config/settings.hpp"

namespace relais::policy {

/// "2.0.0.127.zone.example".
std::string dns_list_query(const config::dns_list& list, const ip_address& client);

/// Whether the addresses that a list answered mean that it lists the client: one of list.answers,
/// or, where none are given, anything in 127.0.0.0/8 but 127.255.255.0/24, by which operators of
/// lists say that they do not answer this resolver.
bool is_listed(const config::dns_list& list, const std::vector<ip_address>& answers);

struct dns_list_verdict {
  std::string text;  ///< of the reply
  std::string rule;  ///< "relais.yaml:40: policy.dns_lists zone.example, score 3"
};

/// `listed[i]` is about settings.dns_lists[i]. A verdict if the scores of those that list the
/// client reach dns_reject_score; it names the one that weighs most.
std::optional<dns_list_verdict> judge_dns_lists(const config::policy_settings& settings,
                                                const std::vector<bool>& listed,
                                                const ip_address& client);

}  // namespace relais::policy
