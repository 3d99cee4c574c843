#include "support/fake_resolver.hpp"

#include <stdexcept>

#include "base/error.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"

namespace relais::testing {

namespace {

std::string key_of(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

error_code error_of(dns_failure how) noexcept {
  switch (how) {
    case dns_failure::nxdomain: return errc::not_found;
    case dns_failure::nodata: return errc::no_data;
    case dns_failure::none:
    case dns_failure::servfail:
    case dns_failure::timeout: break;
  }
  return errc::dns_temporary;
}

}  // namespace

void fake_resolver::add_mx(const std::string& name, std::uint16_t preference,
                           const std::string& exchange) {
  zone[name].mx.emplace_back(preference, exchange);
}

void fake_resolver::add_address(const std::string& name, const std::string& address) {
  const auto parsed = ip_address::parse(address);
  if (!parsed) throw std::invalid_argument("fake_resolver: no address: " + address);
  auto& node = zone[name];
  (parsed->is_v6() ? node.aaaa : node.a).push_back(*parsed);
}

void fake_resolver::add_ptr(const std::string& address, const std::string& name) {
  const auto parsed = ip_address::parse(address);
  if (!parsed) throw std::invalid_argument("fake_resolver: no address: " + address);
  zone[dns::reverse_name(*parsed)].ptr.push_back(name);
}

void fake_resolver::add_alias(const std::string& name, const std::string& target) {
  zone[name].cname = target;
}

void fake_resolver::fail(const std::string& name, dns_failure how) {
  zone[name].every_question = how;
}

template <class Record>
result<dns::answer<Record>> fake_resolver::look_up(std::string name,
                                                   std::vector<Record> zone_node::* records,
                                                   dns_failure zone_node::* failure) const {
  name = key_of(name);
  for (unsigned hops = 0; hops <= 8; ++hops) {
    const auto at = zone.find(name);
    if (at == zone.end()) return errc::not_found;
    const auto& node = at->second;
    if (node.every_question != dns_failure::none) return error_of(node.every_question);
    if (node.*failure != dns_failure::none) return error_of(node.*failure);
    if (node.cname.empty()) {
      if ((node.*records).empty()) return errc::no_data;
      dns::answer<Record> found;
      found.records = node.*records;
      found.ttl = ttl;
      found.canonical_name = name;
      return found;
    }
    name = key_of(node.cname);
  }
  return errc::dns_temporary;
}

net::task<result<dns::answer<dns::mx_record>>> fake_resolver::mx(std::string name) {
  asked.push_back("MX " + name);
  if (before_answering) co_await before_answering();
  co_return look_up(std::move(name), &zone_node::mx, &zone_node::mx_question);
}

net::task<result<dns::answer<ip_address>>> fake_resolver::addresses(std::string name,
                                                                    family which) {
  const bool is_v4 = which == family::v4;
  asked.push_back((is_v4 ? "A " : "AAAA ") + name);
  if (before_answering) co_await before_answering();
  if (is_v4) co_return look_up(std::move(name), &zone_node::a, &zone_node::a_question);
  co_return look_up(std::move(name), &zone_node::aaaa, &zone_node::aaaa_question);
}

net::task<result<dns::answer<std::string>>> fake_resolver::names(ip_address address) {
  asked.push_back("PTR " + address.text());
  if (before_answering) co_await before_answering();
  co_return look_up(dns::reverse_name(address), &zone_node::ptr, &zone_node::ptr_question);
}

}  // namespace relais::testing
