// The configuration as values: every field with its default. The struct is the schema; the field
// table (fields.cpp) binds each to its YAML key, unit, documentation and check. Nothing here reads
// files.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/units.hpp"

namespace relais::config {

using namespace std::chrono_literals;

struct listener {
  endpoint address;  ///< "127.0.0.1:25", "[::]:587"
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
};

struct relay_settings {
  std::vector<ip_network> trusted_networks;  ///< default: loopback of both families
  std::vector<std::string> domains;          ///< lower case; ".example.org" also covers subdomains
  relay_settings();
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
  std::uint64_t errors = 20;
  byte_size memory = 256_MiB;  ///< content of all messages being received or delivered
};

struct server_timeouts {
  duration command = 5min;
  duration data = 3min;     ///< between two reads of content
  duration write = 5min;    ///< client that does not read its replies
  duration shutdown = 30s;  ///< SIGTERM: transactions may finish for so long
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
};

struct smarthost_settings {
  std::string host;  ///< "" = deliver by MX; "[relay.example]:587" = that host, no MX look-up
  std::string username;
  std::string password;       ///< secret: never printed
  std::string password_file;  ///< read at start; wins over nothing: both set is an error
};

enum class tls_choice : std::uint8_t { none, may, encrypt, verify };

struct delivery_settings {
  std::uint16_t port = 25;
  tls_choice tls = tls_choice::may;  ///< `encrypt` at least where credentials are sent
  std::string tls_ca_file;           ///< "" = the system's certificates
  std::uint64_t concurrency = 100;   ///< connections in all
  std::uint64_t concurrency_per_destination = 20;
  std::vector<ip_network>
      allowed_special_networks;  ///< MX hosts may have such addresses: loopback, private
  bool ipv4 = true;
  bool ipv6 = true;
};

struct retry_settings {
  std::vector<duration> intervals{2min, 5min, 15min, 30min, 1h, 2h, 4h};  ///< the last one repeats
  std::uint64_t jitter = 20;                                              ///< percent, both ways
  duration queue_lifetime = 120h;
  duration bounce_lifetime = 24h;
};

struct dns_settings {
  std::vector<endpoint> servers;  ///< empty = /etc/resolv.conf; port 53 unless written
  duration timeout = 5s;
  std::uint64_t attempts = 3;
};

struct http_settings {
  std::string listen;  ///< "127.0.0.1:9025"; "" = no HTTP
};

enum class log_level : std::uint8_t { debug, info, warning, error };

struct log_settings {
  log_level level = log_level::info;
  bool timestamps = true;
};

struct settings {
  std::string hostname;             ///< "" = the system's fully qualified name
  std::uint64_t workers = 1;        ///< 0 = one per core
  std::string user;                 ///< after binding, root becomes this user; "" = stay
  std::vector<listener> listeners;  ///< default: 127.0.0.1:25 and [::1]:25
  relay_settings relay;
  smarthost_settings smarthost;
  delivery_settings delivery;
  retry_settings retry;
  dns_settings dns;
  limit_settings limits;
  server_timeouts server_timeout;
  client_timeouts client_timeout;
  spool_settings spool;
  http_settings http;
  log_settings log;
  settings();
};

}  // namespace relais::config
