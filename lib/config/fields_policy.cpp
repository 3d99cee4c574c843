// Rows of the field table: whom strangers must please.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array table{
    field{.key = "policy.rules",
          .at = to<&settings::policy, &policy_settings::rules>,
          .doc = "Who is accepted or refused by name: the first rule that matches decides; all "
                 "criteria that a rule has must match, and of one criterion any word."},
    field{.key = "policy.rules_files",
          .at = to<&settings::policy, &policy_settings::rules_files>,
          .doc = "Files of further rules, read behind these (docs/operations.md).",
          .form = "path"},
    field{.key = "policy.dns_lists",
          .at = to<&settings::policy, &policy_settings::dns_lists>,
          .doc = "DNS block and allow lists that the client's address is looked up in."},
    field{.key = "policy.dns_reject_score",
          .at = to<&settings::policy, &policy_settings::dns_reject_score>,
          .doc = "Clients whose lists sum up to this score are refused.",
          .range = {1, 1000}},
    field{.key = "policy.rates",
          .at = to<&settings::policy, &policy_settings::rates>,
          .doc = "How much anybody may send within a time."},
    field{.key = "policy.rate_exempt",
          .at = to<&settings::policy, &policy_settings::rate_exempt>,
          .doc = "Clients that policy.rates does not concern."},
    field{.key = "policy.hello",
          .at = to<&settings::policy, &policy_settings::hello>,
          .doc =
              "What the name in HELO or EHLO must be: off (anything), syntax (a host name with a "
              "dot, or an address in brackets) or resolvable (and found in DNS)."},
    field{.key = "policy.reverse_dns",
          .at = to<&settings::policy, &policy_settings::reverse_dns>,
          .doc = "What the client's address must have in DNS: off (nothing), name (a name) or "
                 "confirmed (a name that leads back)."},
    field{.key = "policy.client_names",
          .at = to<&settings::policy, &policy_settings::client_names>,
          .doc = "Look up the names of clients, for logs, trace headers and rules."},
    field{.key = "policy.sender_domain",
          .at = to<&settings::policy, &policy_settings::sender_domain>,
          .doc = "Refuse senders whose domain is not in DNS, or says that it has no mail (RFC "
                 "7505)."},
    field{.key = "policy.recipient_domain",
          .at = to<&settings::policy, &policy_settings::recipient_domain>,
          .doc = "The same for recipients."},
    field{.key = "policy.xclient_networks",
          .at = to<&settings::policy, &policy_settings::xclient_networks>,
          .doc = "Who may pretend to be any client (XCLIENT): filters and tests of your own.",
          .check = check_trusted_network},
    field{.key = "policy.xforward_networks",
          .at = to<&settings::policy, &policy_settings::xforward_networks>,
          .doc = "Who may tell for whom it forwards (XFORWARD), for the log."},

    field{.key = "policy.greylist.enabled",
          .at = to<&settings::policy, &policy_settings::greylist, &greylist_settings::enabled>,
          .doc = "Put off mail with an unknown triplet of network, sender and recipient."},
    field{.key = "policy.greylist.delay",
          .at = to<&settings::policy, &policy_settings::greylist, &greylist_settings::delay>,
          .doc = "From so long after the first attempt on, the mail is taken.",
          .range = {ns(1s), ns(24h)}},
    field{.key = "policy.greylist.retry_window",
          .at = to<&settings::policy, &policy_settings::greylist, &greylist_settings::retry_window>,
          .doc = "A first attempt is forgotten after so long.",
          .range = lifetime_range},
    field{.key = "policy.greylist.lifetime",
          .at = to<&settings::policy, &policy_settings::greylist, &greylist_settings::lifetime>,
          .doc = "Whoever came again is known for so long after the last mail.",
          .range = lifetime_range},
};

constexpr std::array rule_table{
    field{.key = "clients", .at = to<&access_rule::clients>, .doc = "Networks of the client."},
    field{.key = "client_names",
          .at = to<&access_rule::client_names>,
          .doc = "Names of the client, confirmed by DNS; .example.org = all names below that.",
          .check = check_name_pattern,
          .form = "domain",
          .normal = to_lower},
    field{.key = "hellos",
          .at = to<&access_rule::hellos>,
          .doc = "Names that it gave in HELO or EHLO; .example.org = all names below that.",
          .check = check_one_word,
          .form = "name",
          .normal = to_lower},
    field{
        .key = "senders",
        .at = to<&access_rule::senders>,
        .doc =
            "Envelope senders: a@example.org, example.org, .example.org (all domains below that), "
            "user@ (in any domain) or <> (none); no case.",
        .check = check_address_pattern,
        .form = "address pattern",
        .normal = normal_address_pattern},
    field{.key = "recipients",
          .at = to<&access_rule::recipients>,
          .doc = "Envelope recipients, written like senders.",
          .check = check_address_pattern,
          .form = "address pattern",
          .normal = normal_address_pattern},
    field{.key = "users",
          .at = to<&access_rule::users>,
          .doc = "Users that logged in.",
          .check = check_not_blank,
          .form = "user"},
    field{.key = "action",
          .at = to<&access_rule::action>,
          .doc =
              "accept (nothing further is checked but rates; it gives no right to relay), reject "
              "(for good) or defer (for now).",
          .is_required = true},
    field{.key = "text",
          .at = to<&access_rule::text>,
          .doc = "What the refusal says; \"\" = a plain sentence.",
          .check = check_reply_text,
          .form = "text"},
};

constexpr std::array dns_list_table{
    field{.key = "zone",
          .at = to<&dns_list::zone>,
          .doc = "The domain of the list, as zen.spamhaus.org.",
          .check = check_zone,
          .form = "domain",
          .may_be_empty = false,
          .is_required = true,
          .normal = to_lower},
    field{.key = "score",
          .at = to<&dns_list::score>,
          .doc = "What being listed counts for policy.dns_reject_score; less than 0 = an allow "
                 "list.",
          .range = {1, 1000}},
    field{.key = "answers",
          .at = to<&dns_list::answers>,
          .doc = "Answers that count, as 127.0.0.2 or 127.0.0.0/28; none given = all of "
                 "127.0.0.0/8.",
          .check = check_list_answer},
    field{.key = "text",
          .at = to<&dns_list::text>,
          .doc = "What the refusal says; \"\" = a plain sentence.",
          .check = check_reply_text,
          .form = "text"},
};

constexpr std::array rate_table{
    field{.key = "of", .at = to<&rate_limit::of>, .doc = "What is counted.", .is_required = true},
    field{.key = "per",
          .at = to<&rate_limit::per>,
          .doc = "For whom: each client address, each network (/24 and /64), each user that logged "
                 "in or each envelope sender.",
          .is_required = true},
    field{.key = "limit",
          .at = to<&rate_limit::limit>,
          .doc = "At most so many; further ones are refused for now.",
          .range = {1, 1000 * million},
          .is_required = true},
    field{.key = "window",
          .at = to<&rate_limit::window>,
          .doc = "Within this time.",
          .range = {ns(1s), ns(24h * 7)}},
};

}  // namespace

std::span<const field> policy_fields() {
  return table;
}

template <>
const item_type& items_of<access_rule>() {
  static constexpr item_type type{
      .name = "rule",
      .fields = rule_table,
      .short_key = {},
      .examples =
          "{clients: [192.0.2.0/24], action: accept}\n"
          "{senders: [\"<>\"], recipients: [news@example.org], action: reject, text: "
          "\"News takes no bounces\"}\n"
          "{client_names: [.dynamic.example], hellos: [localhost], action: defer}"};
  return type;
}

template <>
const item_type& items_of<dns_list>() {
  static constexpr item_type type{
      .name = "DNS list",
      .fields = dns_list_table,
      .short_key = "zone",
      .examples =
          "bl.example\n"
          "{zone: mixed.example, answers: [127.0.0.2, 127.0.0.4/30], score: 2}\n"
          "{zone: allow.example, score: -5}"};
  return type;
}

template <>
const item_type& items_of<rate_limit>() {
  static constexpr item_type type{.name = "rate",
                                  .fields = rate_table,
                                  .short_key = {},
                                  .examples =
                                      "{of: messages, per: user, limit: 100, window: 1h}\n"
                                      "{of: connections, per: network, limit: 60}"};
  return type;
}

}  // namespace relais::config
