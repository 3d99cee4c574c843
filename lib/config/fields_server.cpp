// Rows of the field table: the process, where it listens, and for whom it relays.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array table{
    field{.key = "hostname",
          .at = to<&settings::hostname>,
          .doc = "The name of this host in greetings, HELO and trace headers; \"\" = the system's "
                 "fully qualified name.",
          .check = check_host_name,
          .form = "host name"},
    field{.key = "workers",
          .at = to<&settings::workers>,
          .doc = "Threads that serve connections; 0 = one per core.",
          .range = {0, 256}},
    field{.key = "user",
          .at = to<&settings::user>,
          .doc = "The user that root becomes once the listeners are bound; \"\" = stay.",
          .check = check_user_name,
          .form = "user name"},
    field{.key = "listeners",
          .at = to<&settings::listeners>,
          .doc = "Where SMTP is accepted, and how; an item that is only an address has the "
                 "defaults of role relay.",
          .may_be_empty = false},
    field{.key = "routes",
          .at = to<&settings::routes>,
          .doc = "Which way mail takes: the first route that matches decides; all criteria that a "
                 "route has must match, and of one criterion any word. Without a match, the "
                 "smarthost, else the MX hosts of the recipient's domain."},
    field{.key = "reply_rules",
          .at = to<&settings::reply_rules>,
          .doc = "What a refusal by a next hop does besides what SMTP says: the first rule that "
                 "matches decides."},
    field{.key = "replies",
          .at = to<&settings::replies>,
          .doc = "Texts of our own for replies to clients, by their names in docs/replies.md; the "
                 "codes stay."},

    field{.key = "relay.trusted_networks",
          .at = to<&settings::relay, &relay_settings::trusted_networks>,
          .doc = "Clients with these addresses may send to any domain; loopback is not implied, so "
                 "keep it in the list.",
          .check = check_trusted_network},
    field{.key = "relay.domains",
          .at = to<&settings::relay, &relay_settings::domains>,
          .doc = "Domains that every client may send to; .example.org also covers its subdomains.",
          .check = check_domain,
          .form = "domain",
          .normal = to_lower},
    field{.key = "relay.trusted_certificates",
          .at = to<&settings::relay, &relay_settings::trusted_certificates>,
          .doc = "Clients with one of these certificates may send to any domain; needs a listener "
                 "with client_certificates.",
          .check = check_fingerprint,
          .form = "SHA-256 fingerprint",
          .normal = normal_fingerprint},
};

constexpr std::array listener_table{
    field{.key = "address",
          .at = to<&listener::address>,
          .doc = "An address and port, as 192.0.2.1:25 or [2001:db8::1]:25; *:25 = all addresses, "
                 "IPv6 and IPv4; /run/relais/smtp = a UNIX socket; systemd:NAME = the socket that "
                 "systemd passes as NAME (FileDescriptorName=).",
          .is_required = true},
    field{.key = "role",
          .at = to<&listener::role>,
          .doc =
              "relay: for other mail servers, devices and scripts; submission: for the mail "
              "programs of users, with TLS and AUTH demanded and messages completed (RFC 6409)."},
    field{.key = "tls",
          .at = to<&listener::tls>,
          .doc =
              "none, may (STARTTLS is offered), encrypt (STARTTLS is demanded) or implicit (TLS "
              "from the first octet, port 465); auto = implicit at port 465 and else encrypt for "
              "role submission, may for role relay if there are certificates."},
    field{.key = "tls_minimum",
          .at = to<&listener::tls_minimum>,
          .doc = "The oldest TLS version here, for devices that know none better; auto = "
                 "tls.minimum_version."},
    field{.key = "require_auth",
          .at = to<&listener::require_auth>,
          .doc = "Mail is accepted after AUTH only; auto = yes for role submission."},
    field{.key = "trusted_networks",
          .at = to<&listener::trusted_networks>,
          .doc = "Clients with these addresses may send to any domain through this listener.",
          .check = check_trusted_network,
          .none_is = "relay.trusted_networks"},
    field{.key = "newlines",
          .at = to<&listener::newlines>,
          .doc = "Line ends that are not CRLF: normalize makes them CRLF, reject refuses the "
                 "message and closes; auto = normalize for trusted and logged-in clients, else "
                 "reject."},
    field{.key = "extensions_off",
          .at = to<&listener::extensions_off>,
          .doc = "EHLO keywords that are not offered here, as [CHUNKING, SMTPUTF8].",
          .check = check_extension,
          .form = "EHLO keyword",
          .normal = to_upper},
    field{.key = "message_size",
          .at = to<&listener::message_size>,
          .doc = "The largest message; 0 = limits.message_size.",
          .range = or_zero(size_range)},
    field{.key = "recipients",
          .at = to<&listener::recipients>,
          .doc = "Recipients of one message; 0 = limits.recipients.",
          .range = or_zero(recipients_range)},
    field{.key = "connections",
          .at = to<&listener::connections>,
          .doc = "Connections to this listener; 0 = only limits.connections counts.",
          .range = {0, million}},
    field{.key = "banner_delay",
          .at = to<&listener::banner_delay>,
          .doc = "The greeting waits for so long, and strangers that talk before it are refused.",
          .range = {0, ns(1min)}},
    field{.key = "proxy_protocol",
          .at = to<&listener::proxy_protocol>,
          .doc = "Every connection begins with a PROXY header, version 1 or 2, that tells the "
                 "client's address: only for listeners that nobody but the proxy can reach."},
    field{.key = "client_certificates",
          .at = to<&listener::client_certificates>,
          .doc = "Ask clients for a certificate in the handshake."},
    field{.key = "hide_client",
          .at = to<&listener::hide_client>,
          .doc = "Leave the client's name and address out of the trace header."},
    field{.key = "mode",
          .at = to<&listener::mode>,
          .doc = "Who may connect to a UNIX socket: its mode, octal.",
          .range = {0, 0777},
          .is_octal = true},
};

constexpr std::array reply_table{
    field{.key = "reply",
          .at = to<&reply_text::reply>,
          .doc = "The name of the reply.",
          .check = check_reply_name,
          .form = "name of docs/replies.md",
          .may_be_empty = false,
          .is_required = true},
    field{.key = "text",
          .at = to<&reply_text::text>,
          .doc = "What is said behind its codes; {} stands where docs/replies.md has it.",
          .check = check_reply_text,
          .form = "text",
          .may_be_empty = false,
          .is_required = true},
};

}  // namespace

std::span<const field> server_fields() {
  return table;
}

template <>
const item_type& items_of<listener>() {
  static constexpr item_type type{
      .name = "listener",
      .fields = listener_table,
      .short_key = "address",
      .examples =
          "{address: \"*:25\"}\n"
          "{address: \"*:587\", role: submission}\n"
          "{address: \"*:465\", role: submission}\n"
          "{address: \"192.0.2.1:2525\", tls_minimum: 1.0, newlines: normalize}\n"
          "{address: /run/relais/smtp, mode: 0660}\n"
          "{address: \"systemd:smtp\"}"};
  return type;
}

template <>
const item_type& items_of<reply_text>() {
  static constexpr item_type type{
      .name = "reply text",
      .fields = reply_table,
      .short_key = {},
      .as_map = true,
      .examples =
          "relay_denied: \"You may not send there from here, see https://help.example/relay\""};
  return type;
}

}  // namespace relais::config
