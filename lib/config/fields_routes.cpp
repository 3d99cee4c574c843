// Rows of the field table: the items of routes and of reply_rules.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array route_table{
    field{.key = "name",
          .at = to<&route_settings::name>,
          .doc = "What logs and commands call it; \"\" = route and its number.",
          .check = check_not_blank,
          .form = "name"},
    field{.key = "recipients",
          .at = to<&route_settings::recipients>,
          .doc = "Envelope recipients: a@example.org, example.org, .example.org (all domains below "
                 "that) or user@ (in any domain); no case.",
          .check = check_recipient_pattern,
          .form = "address pattern",
          .normal = normal_address_pattern},
    field{.key = "senders",
          .at = to<&route_settings::senders>,
          .doc = "Envelope senders, written like recipients; <> = none.",
          .check = check_address_pattern,
          .form = "address pattern",
          .normal = normal_address_pattern},
    field{.key = "users",
          .at = to<&route_settings::users>,
          .doc = "Users that logged in.",
          .check = check_not_blank,
          .form = "user"},
    field{.key = "listeners",
          .at = to<&route_settings::listeners>,
          .doc = "Listeners that took the mail, by their addresses.",
          .check = check_listen_address,
          .form = "listener address",
          .normal = normal_listen_address},
    field{.key = "action",
          .at = to<&route_settings::action>,
          .doc = "relay (send it on), discard (drop it, with a line in the log), error (it goes "
                 "back to its sender) or hold (keep it until relaisctl releases it)."},
    field{.key = "next_hops",
          .at = to<&route_settings::next_hops>,
          .doc = "Hosts, tried by preference (low ones first) and among equals by weight: mx (the "
                 "recipient's domain), relay.example:587 (found by its MX records), "
                 "[relay.example]:587 (that very host) or unix:/run/lmtp, each with \", preference "
                 "10\" and \", weight 3\" behind it; none given = the smarthost, else mx.",
          .check = check_next_hop,
          .form = "next hop"},
    field{.key = "fallback",
          .at = to<&route_settings::fallback>,
          .doc = "Hosts that take over behind fallback_attempts or fallback_time, written like "
                 "next_hops.",
          .check = check_next_hop,
          .form = "next hop"},
    field{.key = "fallback_attempts",
          .at = to<&route_settings::fallback_attempts>,
          .doc = "The fallback is used behind so many failed attempts; 0 = not by their number.",
          .range = {0, million}},
    field{.key = "fallback_time",
          .at = to<&route_settings::fallback_time>,
          .doc = "The fallback is used for mail that is so old; 0s = not by its age.",
          .range = or_zero(lifetime_range)},
    field{.key = "text",
          .at = to<&route_settings::text>,
          .doc = "Of action error: what the sender is told, a sentence with or without a status "
                 "before it (5.1.1 no such user).",
          .check = check_error_text,
          .form = "text"},
    field{.key = "protocol",
          .at = to<&route_settings::protocol>,
          .doc = "smtp, or lmtp (RFC 2033) for the delivery agent of a mail store."},
    field{.key = "tls",
          .at = to<&route_settings::tls>,
          .doc = "As delivery.tls, or fingerprint (always, one of these very certificates); auto = "
                 "delivery.tls, but none for UNIX sockets."},
    field{.key = "fingerprints",
          .at = to<&route_settings::fingerprints>,
          .doc = "SHA-256 fingerprints of the certificates that tls: fingerprint takes.",
          .check = check_fingerprint,
          .form = "SHA-256 fingerprint",
          .normal = normal_fingerprint},
    field{.key = "verify_names",
          .at = to<&route_settings::verify_names>,
          .doc = "Names of which the certificate must have one, instead of the host's own; "
                 ".example.org = any name below that.",
          .check = check_name_pattern,
          .form = "name",
          .normal = to_lower},
    field{.key = "tls_ca_file",
          .at = to<&route_settings::tls_ca_file>,
          .doc = "Certificates (PEM) that verify trusts; \"\" = those of delivery.tls_ca_file.",
          .form = "path"},
    field{.key = "tls_certificate",
          .at = to<&route_settings::tls_certificate>,
          .doc = "Our certificate (PEM, with its chain); \"\" = that of delivery.tls_certificate.",
          .form = "path"},
    field{.key = "tls_key",
          .at = to<&route_settings::tls_key>,
          .doc = "Its private key (PEM); \"\" = in the same file.",
          .form = "path"},
    field{.key = "username",
          .at = to<&route_settings::username>,
          .doc = "The account at the next hops and the fallback, sent over TLS only; \"\" = no "
                 "authentication.",
          .form = "text"},
    field{.key = "password",
          .at = to<&route_settings::password>,
          .doc = "The password of that account, best given as ${NAME} from the environment.",
          .form = "text",
          .is_secret = true,
          .in_file = "password_file"},
    field{.key = "password_file",
          .at = to<&route_settings::password_file>,
          .doc = "A file that holds the password, not readable by everybody; excludes password.",
          .form = "path"},
    field{.key = "source_ipv4",
          .at = to<&route_settings::source_ipv4>,
          .doc = "The address that IPv4 connections come from; \"\" = the system's choice.",
          .check = check_ipv4,
          .form = "IPv4 address"},
    field{.key = "source_ipv6",
          .at = to<&route_settings::source_ipv6>,
          .doc = "The address that IPv6 connections come from; \"\" = the system's choice.",
          .check = check_ipv6,
          .form = "IPv6 address"},
    field{.key = "hello",
          .at = to<&route_settings::hello>,
          .doc = "Our name in EHLO; \"\" = hostname.",
          .check = check_host_name,
          .form = "host name"},
    field{.key = "concurrency",
          .at = to<&route_settings::concurrency>,
          .doc = "Connections to one next hop at most; 0 = delivery.concurrency_per_destination.",
          .range = {0, million}},
    field{.key = "messages_per_connection",
          .at = to<&route_settings::messages_per_connection>,
          .doc = "Messages over one connection at most; 0 = delivery.messages_per_connection.",
          .range = {0, million}},
    field{.key = "messages",
          .at = to<&route_settings::messages>,
          .doc = "Messages to one next hop within rate_window at most, evenly spread; 0 = any "
                 "number.",
          .range = {0, 1000 * million}},
    field{.key = "connections",
          .at = to<&route_settings::connections>,
          .doc = "The same for new connections.",
          .range = {0, 1000 * million}},
    field{.key = "rate_window",
          .at = to<&route_settings::rate_window>,
          .doc = "The time that messages and connections are about.",
          .range = {ns(1s), ns(24h)}},
    field{.key = "retry_intervals",
          .at = to<&route_settings::retry_intervals>,
          .doc = "The waits between delivery attempts; none given = retry.intervals.",
          .range = {ns(1s), ns(24h * 7)}},
    field{.key = "queue_lifetime",
          .at = to<&route_settings::queue_lifetime>,
          .doc = "Mail that could not be delivered for so long goes back to its sender; 0s = "
                 "retry.queue_lifetime.",
          .range = or_zero(lifetime_range)},
};

constexpr std::array reply_rule_table{
    field{.key = "reply",
          .at = to<&reply_rule::reply>,
          .doc = "A regular expression (ECMAScript, no case) that is searched in the reply, as in "
                 "\"421 4.7.0 try later\".",
          .check = check_reply_pattern,
          .form = "regular expression",
          .may_be_empty = false,
          .is_required = true},
    field{.key = "hosts",
          .at = to<&reply_rule::hosts>,
          .doc = "Names of the host that said it; .example.org = all names below that; none given "
                 "= any.",
          .check = check_name_pattern,
          .form = "name",
          .normal = to_lower},
    field{.key = "domains",
          .at = to<&reply_rule::domains>,
          .doc = "Domains of the recipients, written like hosts.",
          .check = check_name_pattern,
          .form = "domain",
          .normal = to_lower},
    field{.key = "action",
          .at = to<&reply_rule::action>,
          .doc = "pause (nothing more to that next hop for a time), slow_down (fewer connections), "
                 "defer (not for good, whatever the code is) or bounce (for good)."},
    field{.key = "time",
          .at = to<&reply_rule::time>,
          .doc = "How long action pause lasts.",
          .range = {ns(1s), ns(24h)}},
};

}  // namespace

template <>
const item_type& items_of<route_settings>() {
  static constexpr item_type type{
      .name = "route",
      .fields = route_table,
      .short_key = {},
      .examples =
          "{recipients: [partner.example, .partner.example], next_hops: [\"[gw.example]:587\"], "
          "tls: verify}\n"
          "{senders: [news@example.org], source_ipv4: 192.0.2.7, hello: bulk.example.org, "
          "messages: "
          "600}\n"
          "{recipients: [example.org], next_hops: [\"unix:/run/dovecot/lmtp\"], protocol: lmtp}\n"
          "{recipients: [old.example], action: error, text: \"5.1.2 This domain is closed\"}"};
  return type;
}

template <>
const item_type& items_of<reply_rule>() {
  static constexpr item_type type{
      .name = "reply rule",
      .fields = reply_rule_table,
      .short_key = {},
      .examples =
          "{reply: \"^421 4\\\\.7\\\\.0\", hosts: [.example], time: 10m}\n"
          "{reply: \"mailbox (is )?full\", action: bounce}"};
  return type;
}

}  // namespace relais::config
