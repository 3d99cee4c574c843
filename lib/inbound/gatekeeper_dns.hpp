// What a gatekeeper asks the DNS about a client: its name, whether its HELO and the domains of
// addresses exist, which lists have it. Questions that belong together are asked at once, and none
// keeps a session waiting for longer than five seconds: what has not been answered by then counts
// as failed. What follows from an answer is policy's matter.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event.hpp"
#include "config/settings.hpp"
#include "dns/resolver.hpp"
#include "net/task_group.hpp"
#include "policy/dns_lists.hpp"
#include "policy/lru_map.hpp"
#include "policy/name_checks.hpp"

namespace relais::inbound {

struct client_name {
  std::string name = "unknown";  ///< confirmed
  std::string unconfirmed;       ///< the first one that the reverse look-up brought
  bool lookup_failed = false;    ///< a failure of DNS is why it is not confirmed
  client_name() = default;
};

class gatekeeper_dns {
 public:
  gatekeeper_dns(const net::runtime& world, dns::resolver& dns,
                 const config::policy_settings& settings, event_sink& events);

  net::task<client_name> name_of(ip_address client);
  /// Whether mail to the domain can go anywhere.
  net::task<policy::domain_state> state_of(std::string domain);
  /// Whether a host name has an address or an MX record: found, no_name or failed.
  net::task<policy::looked_up> host(std::string name);
  /// Of all DNS lists together. Remembered for a minute, as a session asks for each recipient.
  net::task<std::optional<policy::dns_list_verdict>> listing_of(ip_address client);

  void stop() { lookups_.stop(); }
  net::task<bool> join(duration limit) { return lookups_.join(limit); }

 private:
  struct known_listing {
    steady_time until;
    std::optional<policy::dns_list_verdict> verdict;
  };
  /// The results of all jobs, in their order; `otherwise` where one did not end in time.
  template <class T>
  net::task<std::vector<T>> in_time(std::vector<net::task<T>> jobs, T otherwise);
  template <class T>
  net::task<T> in_time(net::task<T> job, T otherwise);

  net::task<client_name> look_up_name(ip_address client);
  net::task<policy::domain_state> look_up_domain(std::string domain);
  net::task<policy::looked_up> look_up_host(std::string name);
  net::task<policy::looked_up> look_up_listing(std::size_t list, ip_address client);
  net::task<policy::looked_up> look_up_addresses(std::string name, dns::resolver::family family);
  void note_failure(std::size_t list, bool failed);

  const net::runtime& world_;
  dns::resolver& dns_;
  const config::policy_settings& settings_;
  event_sink& events_;
  std::vector<bool> failing_;  // DNS lists that did not answer the last time
  policy::lru_map<std::string, known_listing> listings_;
  net::task_group lookups_;
};

}  // namespace relais::inbound
