// A scripted zone behind dns::resolver: what is not in it does not exist. Follows aliases, counts
// questions, fails on request; `before_answering` lets a simulated world spend time in a look-up.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dns/resolver.hpp"

namespace relais::testing {

enum class dns_failure : std::uint8_t { none, nxdomain, nodata, servfail, timeout };

struct zone_node {
  std::vector<dns::mx_record> mx;
  std::vector<ip_address> a, aaaa;
  std::vector<std::string> ptr;
  std::string cname;
  dns_failure every_question = dns_failure::none;
  dns_failure mx_question = dns_failure::none, a_question = dns_failure::none,
              aaaa_question = dns_failure::none, ptr_question = dns_failure::none;
};

class fake_resolver final : public dns::resolver {
 public:
  /// By lower-case name without trailing dot. A node without records answers "no data".
  std::map<std::string, zone_node> zone;
  std::uint32_t ttl = 300;
  std::uint32_t ttl_of_no = 60;
  /// "MX example.org", "A mx.example.org", "PTR 192.0.2.1", in the order of asking.
  std::vector<std::string> asked;
  /// Awaited before each answer is made; empty: answers at once.
  std::function<net::task<void>()> before_answering;

  /// Short forms to write a zone: add_mx("d.test", 10, "mx.d.test"); add_address("mx.d.test",
  /// "::1").
  void add_mx(const std::string& name, std::uint16_t preference, const std::string& exchange);
  void add_address(const std::string& name, const std::string& address);
  void add_alias(const std::string& name, const std::string& target);
  /// add_ptr("192.0.2.1", "host.test"): the node is that of the address's reverse name.
  void add_ptr(const std::string& address, const std::string& name);
  /// For questions of every type.
  void fail(const std::string& name, dns_failure how);

  net::task<result<dns::answer<dns::mx_record>>> mx(std::string name) override;
  net::task<result<dns::answer<ip_address>>> addresses(std::string name, family which) override;
  net::task<result<dns::answer<std::string>>> names(ip_address address) override;
  std::uint32_t negative_ttl() const override { return ttl_of_no; }

 private:
  template <class Record>
  result<dns::answer<Record>> look_up(std::string name, std::vector<Record> zone_node::* records,
                                      dns_failure zone_node::* failure) const;
};

}  // namespace relais::testing
