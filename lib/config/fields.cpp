#include "config/fields.hpp"

#include <algorithm>
#include <array>

#include "config/field_checks.hpp"

namespace relais::config {
namespace {

template <class T>
constexpr std::uint64_t ns(T time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

constexpr bounds timeout_range{ns(1s), ns(24h)};
constexpr bounds lifetime_range{ns(1s), ns(24h * 366)};
constexpr std::uint64_t million = 1'000'000;

constexpr std::array table{
    field{.key = "hostname",
          .at = [](settings& s) -> auto& { return s.hostname; },
          .doc = "The name of this host in greetings, HELO and trace headers; \"\" = the system's "
                 "fully qualified name.",
          .check = check_host_name,
          .form = "host name"},
    field{.key = "workers",
          .at = [](settings& s) -> auto& { return s.workers; },
          .doc = "Threads that serve connections; 0 = one per core.",
          .range = {0, 256}},
    field{.key = "user",
          .at = [](settings& s) -> auto& { return s.user; },
          .doc = "The user that root becomes once the listeners are bound; \"\" = stay.",
          .check = check_user_name,
          .form = "user name"},
    field{.key = "listeners",
          .at = [](settings& s) -> auto& { return s.listeners; },
          .doc = "The addresses and ports that accept SMTP.",
          .may_be_empty = false},

    field{.key = "relay.trusted_networks",
          .at = [](settings& s) -> auto& { return s.relay.trusted_networks; },
          .doc = "Clients with these addresses may send to any domain; loopback is not implied, so "
                 "keep it in the list.",
          .check = check_trusted_network},
    field{.key = "relay.domains",
          .at = [](settings& s) -> auto& { return s.relay.domains; },
          .doc = "Domains that every client may send to; .example.org also covers its subdomains.",
          .check = check_domain,
          .form = "domain",
          .is_lower_case = true},

    field{.key = "smarthost.host",
          .at = [](settings& s) -> auto& { return s.smarthost.host; },
          .doc = "The next hop of all mail, as relay.example:587 (found by its MX records), "
                 "[relay.example]:587 (that very host) or [192.0.2.1]:25; \"\" = each domain's own "
                 "MX hosts.",
          .check = check_smarthost,
          .form = "next hop"},
    field{.key = "smarthost.username",
          .at = [](settings& s) -> auto& { return s.smarthost.username; },
          .doc = "The account at the smarthost; \"\" = no authentication.",
          .form = "text"},
    field{.key = "smarthost.password",
          .at = [](settings& s) -> auto& { return s.smarthost.password; },
          .doc = "The password of that account, best given as ${NAME} from the environment.",
          .form = "text",
          .is_secret = true},
    field{.key = "smarthost.password_file",
          .at = [](settings& s) -> auto& { return s.smarthost.password_file; },
          .doc = "A file that holds the password, not writable by everybody; excludes "
                 "smarthost.password.",
          .form = "path"},

    field{.key = "delivery.port",
          .at = [](settings& s) -> auto& { return s.delivery.port; },
          .doc = "The port of MX hosts.",
          .range = {1, 65535}},
    field{.key = "delivery.tls",
          .at = [](settings& s) -> auto& { return s.delivery.tls; },
          .doc = "TLS towards next hops: none, may (when offered), encrypt (always, any "
                 "certificate) or verify (always, a valid certificate of that name)."},
    field{.key = "delivery.tls_ca_file",
          .at = [](settings& s) -> auto& { return s.delivery.tls_ca_file; },
          .doc = "Certificates (PEM) that verify trusts; \"\" = those of the system.",
          .form = "path"},
    field{.key = "delivery.concurrency",
          .at = [](settings& s) -> auto& { return s.delivery.concurrency; },
          .doc = "Outgoing connections in all.",
          .range = {1, million}},
    field{.key = "delivery.concurrency_per_destination",
          .at = [](settings& s) -> auto& { return s.delivery.concurrency_per_destination; },
          .doc = "Outgoing connections to one next hop at most.",
          .range = {1, million}},
    field{.key = "delivery.allowed_special_networks",
          .at = [](settings& s) -> auto& { return s.delivery.allowed_special_networks; },
          .doc =
              "Loopback, private and link-local networks that MX hosts may be in; others of that "
              "kind are never connected to."},
    field{.key = "delivery.ipv4",
          .at = [](settings& s) -> auto& { return s.delivery.ipv4; },
          .doc = "Deliver over IPv4."},
    field{.key = "delivery.ipv6",
          .at = [](settings& s) -> auto& { return s.delivery.ipv6; },
          .doc = "Deliver over IPv6."},

    field{.key = "retry.intervals",
          .at = [](settings& s) -> auto& { return s.retry.intervals; },
          .doc = "The waits between delivery attempts; the last one repeats.",
          .range = {ns(1s), ns(24h * 7)},
          .may_be_empty = false},
    field{.key = "retry.jitter",
          .at = [](settings& s) -> auto& { return s.retry.jitter; },
          .doc = "Each wait is varied by up to so many percent, both ways.",
          .range = {0, 90}},
    field{.key = "retry.queue_lifetime",
          .at = [](settings& s) -> auto& { return s.retry.queue_lifetime; },
          .doc = "A message that could not be delivered for so long goes back to its sender.",
          .range = lifetime_range},
    field{.key = "retry.bounce_lifetime",
          .at = [](settings& s) -> auto& { return s.retry.bounce_lifetime; },
          .doc = "The same for messages without a sender, which are discarded.",
          .range = lifetime_range},

    field{.key = "dns.servers",
          .at = [](settings& s) -> auto& { return s.dns.servers; },
          .doc = "Name servers, port 53 unless written; none = those of /etc/resolv.conf."},
    field{.key = "dns.timeout",
          .at = [](settings& s) -> auto& { return s.dns.timeout; },
          .doc = "The wait for one answer.",
          .range = {ns(100ms), ns(5min)}},
    field{.key = "dns.attempts",
          .at = [](settings& s) -> auto& { return s.dns.attempts; },
          .doc = "Questions to each server before the look-up fails for now.",
          .range = {1, 10}},

    field{.key = "limits.message_size",
          .at = [](settings& s) -> auto& { return s.limits.message_size; },
          .doc = "The largest message, announced as SIZE.",
          .range = {65536, 1ull << 40, "RFC 5321 4.5.3.1.7"}},
    field{.key = "limits.recipients",
          .at = [](settings& s) -> auto& { return s.limits.recipients; },
          .doc = "Recipients of one message.",
          .range = {100, million, "RFC 5321 4.5.3.1.8"}},
    field{.key = "limits.connections",
          .at = [](settings& s) -> auto& { return s.limits.connections; },
          .doc = "Incoming connections in all.",
          .range = {1, million}},
    field{.key = "limits.connections_per_client",
          .at = [](settings& s) -> auto& { return s.limits.connections_per_client; },
          .doc = "Incoming connections from one address outside of relay.trusted_networks.",
          .range = {1, million}},
    field{.key = "limits.messages_per_connection",
          .at = [](settings& s) -> auto& { return s.limits.messages_per_connection; },
          .doc = "Messages that one connection may send before it is closed.",
          .range = {1, 1000 * million}},
    field{.key = "limits.command_line",
          .at = [](settings& s) -> auto& { return s.limits.command_line; },
          .doc = "The longest command, CRLF included.",
          .range = {512, 1u << 20, "RFC 5321 4.5.3.1.4"}},
    field{.key = "limits.text_line",
          .at = [](settings& s) -> auto& { return s.limits.text_line; },
          .doc = "The longest line of content, CRLF included.",
          .range = {1000, 1u << 30, "RFC 5321 4.5.3.1.6"}},
    field{.key = "limits.header_size",
          .at = [](settings& s) -> auto& { return s.limits.header_size; },
          .doc = "The largest header of a message.",
          .range = {1024, 1u << 30}},
    field{.key = "limits.hops",
          .at = [](settings& s) -> auto& { return s.limits.hops; },
          .doc = "Received headers before a message counts as looping.",
          .range = {10, 1000}},
    field{.key = "limits.errors",
          .at = [](settings& s) -> auto& { return s.limits.errors; },
          .doc = "Refused commands before a connection is closed.",
          .range = {1, million}},
    field{.key = "limits.memory",
          .at = [](settings& s) -> auto& { return s.limits.memory; },
          .doc = "Content of all messages being received or delivered; when it is scarce, content "
                 "goes to disk in smaller pieces, then waits or gets a 4xx.",
          .range = {1u << 20, 1ull << 44}},

    field{.key = "server_timeout.command",
          .at = [](settings& s) -> auto& { return s.server_timeout.command; },
          .doc = "The wait for the client's next command.",
          .range = timeout_range},
    field{.key = "server_timeout.data",
          .at = [](settings& s) -> auto& { return s.server_timeout.data; },
          .doc = "The wait for more content of a message.",
          .range = timeout_range},
    field{.key = "server_timeout.write",
          .at = [](settings& s) -> auto& { return s.server_timeout.write; },
          .doc = "The wait for a client that does not read its replies.",
          .range = timeout_range},
    field{.key = "server_timeout.shutdown",
          .at = [](settings& s) -> auto& { return s.server_timeout.shutdown; },
          .doc = "On SIGTERM, transactions may finish for so long.",
          .range = {0, ns(1h)}},

    field{.key = "client_timeout.connect",
          .at = [](settings& s) -> auto& { return s.client_timeout.connect; },
          .doc = "The wait for a connection to one address.",
          .range = timeout_range},
    field{.key = "client_timeout.greeting",
          .at = [](settings& s) -> auto& { return s.client_timeout.greeting; },
          .doc = "The wait for the server's greeting.",
          .range = timeout_range},
    field{.key = "client_timeout.hello",
          .at = [](settings& s) -> auto& { return s.client_timeout.hello; },
          .doc = "The wait for the reply to EHLO or HELO.",
          .range = timeout_range},
    field{.key = "client_timeout.tls",
          .at = [](settings& s) -> auto& { return s.client_timeout.tls; },
          .doc = "The wait for STARTTLS and the handshake.",
          .range = timeout_range},
    field{.key = "client_timeout.mail",
          .at = [](settings& s) -> auto& { return s.client_timeout.mail; },
          .doc = "The wait for the reply to MAIL.",
          .range = timeout_range},
    field{.key = "client_timeout.rcpt",
          .at = [](settings& s) -> auto& { return s.client_timeout.rcpt; },
          .doc = "The wait for the reply to RCPT.",
          .range = timeout_range},
    field{.key = "client_timeout.data",
          .at = [](settings& s) -> auto& { return s.client_timeout.data; },
          .doc = "The wait for the reply to DATA.",
          .range = timeout_range},
    field{.key = "client_timeout.content",
          .at = [](settings& s) -> auto& { return s.client_timeout.content; },
          .doc = "The wait for the server to take one block of content.",
          .range = timeout_range},
    field{.key = "client_timeout.end_of_data",
          .at = [](settings& s) -> auto& { return s.client_timeout.end_of_data; },
          .doc = "The wait for the reply to the whole message; short ones make duplicates.",
          .range = timeout_range},
    field{.key = "client_timeout.quit",
          .at = [](settings& s) -> auto& { return s.client_timeout.quit; },
          .doc = "The wait for the reply to QUIT.",
          .range = timeout_range},

    field{.key = "spool.directory",
          .at = [](settings& s) -> auto& { return s.spool.directory; },
          .doc = "Where accepted messages are kept.",
          .form = "path",
          .may_be_empty = false},
    field{.key = "spool.minimum_free",
          .at = [](settings& s) -> auto& { return s.spool.minimum_free; },
          .doc = "With less free space on that disk, new mail is refused with 452; deliveries go "
                 "on."},
    field{.key = "spool.minimum_free_inodes",
          .at = [](settings& s) -> auto& { return s.spool.minimum_free_inodes; },
          .doc = "The same for free inodes."},
    field{.key = "spool.critical_free",
          .at = [](settings& s) -> auto& { return s.spool.critical_free; },
          .doc =
              "With less free space still, new connections are refused with 421; never more than "
              "spool.minimum_free."},
    field{.key = "spool.critical_free_inodes",
          .at = [](settings& s) -> auto& { return s.spool.critical_free_inodes; },
          .doc = "The same for free inodes."},
    field{.key = "spool.inline_max",
          .at = [](settings& s) -> auto& { return s.spool.inline_max; },
          .doc =
              "Larger messages go to a file of their own while they arrive; at most a quarter of "
              "spool.segment_size.",
          .range = {4096, 256u << 20}},
    field{.key = "spool.segment_size",
          .at = [](settings& s) -> auto& { return s.spool.segment_size; },
          .doc = "The size of one file of the spool's log.",
          .range = {4u << 20, 1u << 30}},
    field{.key = "spool.spare_segments",
          .at = [](settings& s) -> auto& { return s.spool.spare_segments; },
          .doc = "Files of the log that are kept ready, also for a disk that is full.",
          .range = {1, 1000}},
    field{.key = "spool.state_delay",
          .at = [](settings& s) -> auto& { return s.spool.state_delay; },
          .doc = "Outcomes of deliveries are on disk after this time at the latest; after a crash, "
                 "younger ones are repeated.",
          .range = {0, ns(10s)}},
    field{.key = "spool.checkpoint_after",
          .at = [](settings& s) -> auto& { return s.spool.checkpoint_after; },
          .doc = "The index is saved whenever so much was written; a start reads at most about as "
                 "much.",
          .range = {1u << 20, 1ull << 40}},
    field{.key = "spool.compaction_rate",
          .at = [](settings& s) -> auto& { return s.spool.compaction_rate; },
          .doc = "Octets per second that old messages may be copied with, to free the files that "
                 "they hold.",
          .range = {1u << 20, 1ull << 40}},
    field{.key = "spool.compaction_slack",
          .at = [](settings& s) -> auto& { return s.spool.compaction_slack; },
          .doc = "The log may be larger than twice the mail in it by so much before that copying "
                 "begins."},

    field{.key = "http.listen",
          .at = [](settings& s) -> auto& { return s.http.listen; },
          .doc = "The address and port that answer /healthz and /readyz, as 127.0.0.1:9025; \"\" = "
                 "none.",
          .check = check_endpoint,
          .form = "address and port"},

    field{.key = "log.level",
          .at = [](settings& s) -> auto& { return s.log.level; },
          .doc = "The least important lines to be logged: debug, info, warning or error."},
    field{.key = "log.timestamps",
          .at = [](settings& s) -> auto& { return s.log.timestamps; },
          .doc = "Begin each line with the time; false where the journal adds its own."},
};

struct section_row {
  std::string_view name, doc;
};

constexpr std::array section_docs{
    section_row{"relay", "Who may send mail through this host, and where to."},
    section_row{"smarthost", "One next hop for all mail, with credentials if it wants them."},
    section_row{"delivery", "How mail leaves this host."},
    section_row{"retry", "When a delivery that failed for now is tried again."},
    section_row{"dns", "How names are looked up."},
    section_row{"limits", "What one client, one message and all of them together may use."},
    section_row{"server_timeout", "Patience with clients."},
    section_row{"client_timeout", "Patience with next hops (RFC 5321 4.5.3.2)."},
    section_row{"spool", "Where messages are kept until they are delivered."},
    section_row{"http", "Probes for monitoring and container platforms; no mail passes here."},
    section_row{"log", "What is written to the log."},
};

}  // namespace

std::string_view field::section() const noexcept {
  const auto dot = key.find('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

std::string_view field::name() const noexcept {
  const auto dot = key.find('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

bool field::is_list() const noexcept {
  return std::holds_alternative<reach<std::vector<std::string>>>(at) ||
         std::holds_alternative<reach<std::vector<duration>>>(at) ||
         std::holds_alternative<reach<std::vector<ip_network>>>(at) ||
         std::holds_alternative<reach<std::vector<endpoint>>>(at) ||
         std::holds_alternative<reach<std::vector<listener>>>(at);
}

std::span<const field> fields() {
  return table;
}

const field* find_field(std::string_view key) noexcept {
  const auto found = std::ranges::find(table, key, &field::key);
  return found == table.end() ? nullptr : &*found;
}

std::span<const std::string_view> sections() {
  static constexpr auto names = [] {
    std::array<std::string_view, section_docs.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = section_docs[i].name;
    return all;
  }();
  return names;
}

std::string_view section_doc(std::string_view section) noexcept {
  const auto found = std::ranges::find(section_docs, section, &section_row::name);
  return found == section_docs.end() ? std::string_view{} : found->doc;
}

}  // namespace relais::config
