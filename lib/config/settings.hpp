// The configuration as values: every field with its default. The struct is the schema; the field
// table (fields.cpp) binds each to its YAML key, unit, documentation and check. Nothing here reads
// files.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/listen_address.hpp"
#include "base/units.hpp"

namespace relais::config {

using namespace std::chrono_literals;

/// Where in the configuration something was written: decisions name the rule that made them.
struct source_place {
  std::string file;
  unsigned line = 0;
  std::string text() const;  ///< "relais.yaml:12"; "" if nowhere
  friend bool operator==(const source_place&, const source_place&) = default;
};

/// relay: for other MTAs, printers, scripts (port 25). submission: for the mail programs of users
/// (RFC 6409, 8314): TLS and AUTH demanded, messages completed.
enum class listener_role : std::uint8_t { relay, submission };

/// may: STARTTLS offered; encrypt: demanded; implicit: TLS from the first octet (port 465).
/// automatic: for relay `may` with a certificate, else `none`; for submission `implicit` at port
/// 465, else `encrypt`.
enum class listener_tls : std::uint8_t { automatic, none, may, encrypt, implicit };

enum class tls_version : std::uint8_t { automatic, v1_0, v1_1, v1_2, v1_3 };

enum class tristate : std::uint8_t { automatic, yes, no };

/// automatic: normalize for trusted networks and authenticated clients, reject for all others.
enum class newline_choice : std::uint8_t { automatic, normalize, reject };

struct listener {
  listen_address address;
  listener_role role = listener_role::relay;
  listener_tls tls = listener_tls::automatic;
  tls_version tls_minimum = tls_version::automatic;  ///< automatic: that of tls.minimum_version
  tristate require_auth = tristate::automatic;       ///< automatic: on for submission
  newline_choice newlines = newline_choice::automatic;
  std::vector<std::string> extensions_off;  ///< EHLO keywords that are not offered here
  byte_size message_size{};                 ///< 0 = that of limits
  std::uint64_t recipients = 0;             ///< 0 = that of limits
  std::uint64_t connections = 0;            ///< of this listener; 0 = as limits say
  duration banner_delay{};                  ///< strangers that talk before the greeting are refused
  /// Instead of relay.trusted_networks; none given: those.
  std::optional<std::vector<ip_network>> trusted_networks;
  bool proxy_protocol = false;       ///< each connection begins with a PROXY header, v1 or v2
  bool client_certificates = false;  ///< asked for in the handshake
  bool hide_client = false;          ///< no client name and address in the trace header
  std::uint64_t mode = 0666;         ///< of a UNIX socket
  listener() = default;
  listener(const endpoint& at) : address(at) {}
  friend bool operator==(const listener&, const listener&) = default;
};

struct certificate_settings {
  std::string certificate;  ///< PEM, with its chain
  std::string key;          ///< PEM; "" = in the same file
  friend bool operator==(const certificate_settings&, const certificate_settings&) = default;
};

/// TLS towards clients.
struct tls_settings {
  std::vector<certificate_settings> certificates;  ///< chosen by SNI and key type; first = default
  tls_version minimum_version = tls_version::v1_2;
  std::string ciphers;             ///< of TLS 1.2 and older, OpenSSL's words; "" = good ones
  std::string client_ca_file;      ///< whose client certificates are identities
  duration ticket_rotation = 12h;  ///< of the key of session tickets; 0 = no tickets
  friend bool operator==(const tls_settings&, const tls_settings&) = default;
};

struct certificate_login {
  std::string fingerprint;  ///< SHA-256 of the certificate, hex, colons optional; kept as 64 lower
  std::string user;
  friend bool operator==(const certificate_login&, const certificate_login&) = default;
};

struct token_settings {           // OAUTHBEARER, XOAUTH2
  std::string introspection_url;  ///< RFC 7662; "" = none
  std::string client_id;
  std::string client_secret;       ///< secret: never printed
  std::string client_secret_file;  ///< read at start into client_secret
  std::string jwt_keys_file;       ///< JSON Web Key Set; "" = none
  std::string issuer;              ///< "" = any
  std::string audience;            ///< "" = any
  std::string user_claim = "email";
  friend bool operator==(const token_settings&, const token_settings&) = default;
};

struct auth_settings {
  std::vector<std::string> mechanisms{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN",   "LOGIN",
                                      "OAUTHBEARER",        "XOAUTH2",       "EXTERNAL"};
  std::string users_file;      ///< "" = none
  std::string pam_service;     ///< "" = none
  std::string dovecot_socket;  ///< "" = none
  std::vector<certificate_login> certificates;
  token_settings tokens;
  bool without_tls = false;  ///< PLAIN and LOGIN also in clear
  bool legacy_line = false;  ///< "AUTH=PLAIN LOGIN" besides
  std::uint64_t failures_per_connection = 3;
  std::uint64_t failures_per_client = 20;  ///< of one address within failure_window; 0 = no limit
  duration failure_window = 10min;
  duration failure_delay = 1s;  ///< doubled with each failure of the connection, up to 16 s
  bool bind_sender = true;      ///< who logs in may only use the senders that the users file allows
  friend bool operator==(const auth_settings&, const auth_settings&) = default;
};

enum class access_action : std::uint8_t { accept, reject, defer };

/// One row of policy.rules. Every criterion that is given must match; within one, any word does.
struct access_rule {
  std::vector<ip_network> clients;
  std::vector<std::string> client_names;  ///< "host.example", ".example"
  std::vector<std::string> hellos;
  std::vector<std::string> senders;     ///< "a@b.example", "b.example", ".example", "user@", "<>"
  std::vector<std::string> recipients;  ///< the same
  std::vector<std::string> users;       ///< of AUTH
  access_action action = access_action::reject;
  std::string text;  ///< of the reply; "" = a plain sentence
  source_place place;
  friend bool operator==(const access_rule&, const access_rule&) = default;
};

/// One row of policy.dns_lists.
struct dns_list {
  std::string zone;
  std::int64_t score = 1;  ///< negative: an allow list
  /// Answers that count (127.0.0.0/8); none: any in 127.0.0.0/8.
  std::vector<ip_network> answers;
  std::string text;  ///< of the reply; "" = a plain sentence
  source_place place;
  friend bool operator==(const dns_list&, const dns_list&) = default;
};

enum class rate_of : std::uint8_t { connections, messages, recipients };
enum class rate_per : std::uint8_t { client, network, user, sender };

/// One row of policy.rates: at most `limit` within `window`.
struct rate_limit {
  rate_of of = rate_of::messages;
  rate_per per = rate_per::client;
  std::uint64_t limit = 0;
  duration window = 1min;
  source_place place;
  friend bool operator==(const rate_limit&, const rate_limit&) = default;
};

struct greylist_settings {
  bool enabled = false;
  duration delay = 5min;
  duration retry_window = 48h;   ///< the second attempt must come within
  duration lifetime = 24h * 36;  ///< since the last message
  friend bool operator==(const greylist_settings&, const greylist_settings&) = default;
};

enum class hello_check : std::uint8_t { off, syntax, resolvable };
enum class reverse_dns_check : std::uint8_t { off, name, confirmed };

/// What clients that are neither trusted nor authenticated must pass; rules and rates also concern
/// the others.
struct policy_settings {
  std::vector<access_rule> rules;
  std::vector<std::string> rules_files;  ///< see docs/operations.md; read after `rules`
  std::vector<dns_list> dns_lists;
  std::uint64_t dns_reject_score = 1;
  std::vector<rate_limit> rates;
  std::vector<ip_network> rate_exempt;
  greylist_settings greylist;
  hello_check hello = hello_check::off;
  reverse_dns_check reverse_dns = reverse_dns_check::off;
  bool client_names = true;  ///< look up the client's name, for logs and trace headers
  bool sender_domain = false;
  bool recipient_domain = false;
  /// Who may send XCLIENT and XFORWARD.
  std::vector<ip_network> xclient_networks, xforward_networks;
  friend bool operator==(const policy_settings&, const policy_settings&) = default;
};

struct submission_settings {
  std::string domain;       ///< qualifies bare local addresses; "" = hostname
  bool add_missing = true;  ///< Date, Message-ID, From
  bool remove_bcc = true;
  bool add_sender = false;          ///< a Sender field where From is not the login's
  duration longest_hold = 24h * 7;  ///< FUTURERELEASE
  friend bool operator==(const submission_settings&, const submission_settings&) = default;
};

struct reply_text {
  std::string reply;  ///< name of docs/replies.md
  std::string text;
  source_place place;
  friend bool operator==(const reply_text&, const reply_text&) = default;
};

struct spool_settings {
  std::string directory = "/var/spool/relais";
  byte_size minimum_free = 64_MiB;
  std::uint64_t minimum_free_inodes = 1000;
  byte_size critical_free = 16_MiB;
  std::uint64_t critical_free_inodes = 100;
  byte_size inline_max = 1_MiB;
  byte_size segment_size = 64_MiB;
  std::uint64_t spare_segments = 2;
  duration state_delay = 10ms;
  byte_size checkpoint_after = 128_MiB;
  byte_size compaction_rate = 64_MiB;  ///< per second
  byte_size compaction_slack = 512_MiB;
  friend bool operator==(const spool_settings&, const spool_settings&) = default;
};

struct relay_settings {
  std::vector<ip_network> trusted_networks;  ///< default: loopback of both families
  std::vector<std::string> domains;          ///< lower case; ".example.org" also covers subdomains
  std::vector<std::string> trusted_certificates;  ///< SHA-256 fingerprints of client certificates
  relay_settings();
  friend bool operator==(const relay_settings&, const relay_settings&) = default;
};

struct limit_settings {
  byte_size message_size = 50_MiB;
  std::uint64_t recipients = 1000;
  std::uint64_t connections = 10000;
  std::uint64_t connections_per_client = 50;
  std::uint64_t messages_per_connection = 1000;
  byte_size command_line = 2048_B;
  byte_size text_line = 64_KiB;
  byte_size header_size = 256_KiB;
  std::uint64_t hops = 50;
  std::uint64_t connections_per_network = 0;  ///< /24 and /64; 0 = no limit
  std::uint64_t errors = 20;
  std::uint64_t soft_errors = 10;  ///< from here on each error is answered late
  duration error_delay = 1s;
  std::uint64_t junk_commands = 100;  ///< NOOP, RSET, VRFY... between two messages; 0 = no limit
  byte_size data_rate = 500_B;        ///< content per second, after data_rate_grace; 0 = any
  duration data_rate_grace = 1min;
  std::uint64_t reserved_descriptors = 64;  ///< accepting pauses before these are touched
  byte_size memory = 256_MiB;               ///< content of all messages being received or delivered
  friend bool operator==(const limit_settings&, const limit_settings&) = default;
};

struct server_timeouts {
  duration command = 5min;
  duration data = 3min;     ///< between two reads of content
  duration tls = 30s;       ///< the whole handshake
  duration stressed = 10s;  ///< `command` for strangers when connections run out
  duration write = 5min;    ///< client that does not read its replies
  duration shutdown = 30s;  ///< SIGTERM: transactions may finish for so long
  friend bool operator==(const server_timeouts&, const server_timeouts&) = default;
};

struct client_timeouts {  // RFC 5321 4.5.3.2
  duration connect = 30s;
  duration greeting = 5min;
  duration hello = 5min;
  duration tls = 1min;
  duration mail = 5min;
  duration rcpt = 5min;
  duration data = 2min;
  duration content = 3min;  ///< each block
  duration end_of_data = 10min;
  duration quit = 10s;
  friend bool operator==(const client_timeouts&, const client_timeouts&) = default;
};

struct smarthost_settings {
  std::string host;  ///< "" = deliver by MX; "[relay.example]:587" = that host, no MX look-up
  std::string username;
  std::string password;       ///< secret: never printed
  std::string password_file;  ///< read at start; wins over nothing: both set is an error
  friend bool operator==(const smarthost_settings&, const smarthost_settings&) = default;
};

/// RFC 3207 in the field's words. fingerprint: encrypted, to a certificate that is named.
enum class tls_choice : std::uint8_t { automatic, none, may, encrypt, verify, fingerprint };

struct delivery_settings {
  std::uint16_t port = 25;
  tls_choice tls = tls_choice::may;  ///< `encrypt` at least where credentials are sent
  std::string tls_ca_file;           ///< "" = the system's certificates
  std::string tls_certificate;       ///< client certificate, PEM with its chain; "" = none
  std::string tls_key;               ///< PEM; "" = in the same file
  std::uint64_t concurrency = 100;   ///< connections in all
  std::uint64_t concurrency_per_destination = 20;
  std::uint64_t concurrency_per_host = 20;
  std::uint64_t initial_concurrency = 2;
  std::uint64_t messages_per_connection = 100;
  duration idle_timeout = 5s;           ///< a connection waits so long for the next message
  duration connection_lifetime = 5min;  ///< no further message behind that
  std::uint64_t hosts_per_attempt = 5;
  duration host_retry = 10min;  ///< a host that could not be reached is left out so long
  std::vector<ip_network>
      allowed_special_networks;  ///< MX hosts may have such addresses: loopback, private
  bool ipv4 = true;
  bool ipv6 = true;
  bool chunking = true;  ///< BDAT where it is offered
  bool pipelining = true;
  bool convert_8bit = true;          ///< to quoted-printable or base64 for peers without 8BITMIME
  bool convert_signed = false;       ///< also signed parts, which breaks their signatures
  bool bounce_if_all_refuse = true;  ///< every host greets with 5xx: bounced, else deferred
  friend bool operator==(const delivery_settings&, const delivery_settings&) = default;
};

struct retry_settings {
  std::vector<duration> intervals{2min, 5min, 15min, 30min, 1h, 2h, 4h};  ///< the last one repeats
  std::uint64_t jitter = 20;                                              ///< percent, both ways
  duration queue_lifetime = 120h;
  duration bounce_lifetime = 24h;
  /// The sender is told once behind each of these; none: never.
  std::vector<duration> delay_warnings{4h};
  friend bool operator==(const retry_settings&, const retry_settings&) = default;
};

struct report_settings {
  std::string postmaster;     ///< who gets reports that cannot be delivered; "" = they are dropped
  bool failed = true;         ///< false: no report of failure is ever sent (a log line is)
  std::uint64_t limit = 100;  ///< to one reverse-path within limit_window; 0 = no limit
  duration limit_window = 1h;
  byte_size returned = 1_MiB;  ///< a larger message is returned as its header only
  friend bool operator==(const report_settings&, const report_settings&) = default;
};

enum class route_action : std::uint8_t { relay, discard, error, hold };
enum class route_protocol : std::uint8_t { smtp, lmtp };

/// One row of routes: the first one that matches decides. Every criterion that is given must match;
/// within one, any word does. What is not given is as `delivery`, `retry` and `smarthost` say.
struct route_settings {
  std::string name;                     ///< for logs and commands; "" = "route N"
  std::vector<std::string> recipients;  ///< "a@b.example", "b.example", ".example", "user@"
  std::vector<std::string> senders;     ///< the same, and "<>"
  std::vector<std::string> users;       ///< of AUTH
  std::vector<std::string> listeners;   ///< addresses of listeners, as configured
  route_action action = route_action::relay;
  /// "mx" (the recipient's domain), "relay.example:587" (by its MX), "[relay.example]:587",
  /// "unix:/run/dovecot/lmtp"; with ", preference 10" and ", weight 3". None: as without this row.
  std::vector<std::string> next_hops;
  std::vector<std::string> fallback;    ///< the same; used behind the limits below
  std::uint64_t fallback_attempts = 0;  ///< 0 = not by number
  duration fallback_time{};             ///< since the arrival; 0 = not by time
  std::string text;                     ///< action error: "5.1.1 no such user" or a sentence
  route_protocol protocol = route_protocol::smtp;
  tls_choice tls = tls_choice::automatic;  ///< automatic: that of delivery
  std::vector<std::string> fingerprints;   ///< SHA-256 of certificates, for tls: fingerprint
  std::vector<std::string> verify_names;   ///< instead of the host's name; ".example" too
  std::string tls_ca_file, tls_certificate, tls_key;
  std::string username, password, password_file;
  std::string source_ipv4, source_ipv6;  ///< "" = the system's choice
  std::string hello;                     ///< EHLO name; "" = hostname
  std::uint64_t concurrency = 0;         ///< 0 = concurrency_per_destination
  std::uint64_t messages_per_connection = 0;
  std::uint64_t messages = 0;     ///< within rate_window, per destination; 0 = no limit
  std::uint64_t connections = 0;  ///< the same
  duration rate_window = 1min;
  std::vector<duration> retry_intervals;  ///< none: those of retry
  duration queue_lifetime{};              ///< 0 = that of retry
  source_place place;
  friend bool operator==(const route_settings&, const route_settings&) = default;
};

/// One row of reply_rules: what a refusing reply makes of its host's destination.
enum class reply_action : std::uint8_t { pause, slow_down, defer, bounce };
struct reply_rule {
  std::string reply;                 ///< a regular expression, searched in "421 4.7.0 try later"
  std::vector<std::string> hosts;    ///< "mx.example", ".example"; none: any
  std::vector<std::string> domains;  ///< of recipients
  reply_action action = reply_action::pause;
  duration time = 10min;  ///< of pause
  source_place place;
  friend bool operator==(const reply_rule&, const reply_rule&) = default;
};

struct dns_settings {
  std::vector<endpoint> servers;  ///< empty = /etc/resolv.conf; port 53 unless written
  duration timeout = 5s;
  std::uint64_t attempts = 3;
  friend bool operator==(const dns_settings&, const dns_settings&) = default;
};

struct http_settings {
  std::string listen;                                  ///< "127.0.0.1:9025"; "" = no HTTP
  std::string control_socket = "/run/relais/control";  ///< of relaisctl; "" = none
  friend bool operator==(const http_settings&, const http_settings&) = default;
};

enum class log_level : std::uint8_t { debug, info, warning, error };

struct log_settings {
  log_level level = log_level::info;
  bool timestamps = true;
  friend bool operator==(const log_settings&, const log_settings&) = default;
};

struct settings {
  std::string hostname;             ///< "" = the system's fully qualified name
  std::uint64_t workers = 1;        ///< 0 = one per core
  std::string user;                 ///< after binding, root becomes this user; "" = stay
  std::vector<listener> listeners;  ///< default: 127.0.0.1:25 and [::1]:25
  relay_settings relay;
  tls_settings tls;
  auth_settings auth;
  policy_settings policy;
  submission_settings submission;
  smarthost_settings smarthost;
  delivery_settings delivery;
  retry_settings retry;
  report_settings report;
  std::vector<route_settings> routes;
  std::vector<reply_rule> reply_rules;
  dns_settings dns;
  limit_settings limits;
  server_timeouts server_timeout;
  client_timeouts client_timeout;
  spool_settings spool;
  http_settings http;
  log_settings log;
  std::vector<reply_text> replies;
  settings();
  friend bool operator==(const settings&, const settings&) = default;
};

}  // namespace relais::config
