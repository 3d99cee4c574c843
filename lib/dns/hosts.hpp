// From a domain to the list of addresses to try, in order (RFC 5321 5.1, RFC 7505): preference,
// shuffling within one preference, implicit MX, null MX, exclusion of ourselves, families
// interleaved.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "dns/resolver.hpp"

namespace relais::dns {

struct host {
  std::string name;
  ip_address address;
  std::uint16_t preference = 0;
};

enum class host_fault : std::uint8_t {
  none,
  no_such_domain,     ///< NXDOMAIN: permanent, 5.1.2
  no_mail_host,       ///< neither MX nor address: permanent, 5.4.4
  null_mx,            ///< permanent, 5.1.10 (RFC 7505)
  loops_to_self,      ///< the best MX is this host: permanent, 5.4.6
  forbidden_address,  ///< every address is loopback, private...: permanent unless allowed, 5.4.4
  temporary           ///< DNS did not answer: deferred, 4.4.3
};

struct host_list {
  std::vector<host> hosts;  ///< non-empty if and only if fault is none
  host_fault fault = host_fault::none;
  std::string reason;        ///< one sentence for log and report
  bool is_complete = false;  ///< there are no others, as far as the DNS could be asked
};

struct host_options {
  std::string own_name;                                   ///< excluded, with worse preferences
  std::function<bool(const ip_address&)> is_own_address;  ///< at the port we would connect to
  std::function<bool(const ip_address&)> is_allowed;      ///< false: special address, refused
  bool ipv4 = true, ipv6 = true;
  std::size_t maximum_exchanges = 10;  ///< MX hosts looked up at most
  std::size_t maximum_hosts = 10;      ///< addresses returned at most
};

/// Pure: sorts by preference and shuffles equals; drops `own_name` and everything of its preference
/// or worse. An empty result of a non-empty input means that we are the best host ourselves.
std::vector<mx_record> order_exchanges(std::vector<mx_record> records, const std::string& own_name,
                                       random& rng);

/// Pure: first v6, then v4, alternating, each family in its given order.
std::vector<ip_address> interleave(const std::vector<ip_address>& v6,
                                   const std::vector<ip_address>& v4);

/// By MX: for a domain of a recipient. Everything is taken by value or must outlive the task.
net::task<host_list> mail_hosts(resolver& dns, std::string domain, const host_options& options,
                                random& rng);
/// No MX look-up: for "[host]:port" routes and address literals. Addresses are never forbidden
/// here.
net::task<host_list> plain_hosts(resolver& dns, std::string name, const host_options& options);

}  // namespace relais::dns
