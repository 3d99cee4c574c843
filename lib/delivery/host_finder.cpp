#include "delivery/host_finder.hpp"

#include <algorithm>
#include <map>

#include "net/gather.hpp"

namespace relais::delivery {
namespace {

dns::host_options options_for(const connections_world& around, const policy::route_host& at) {
  const auto& delivery = around.settings.delivery;
  dns::host_options o;
  o.own_name = around.settings.hostname;
  o.ipv4 = delivery.ipv4;
  o.ipv6 = delivery.ipv6;
  if (around.is_own) {
    o.is_own_address = [&around, port = at.port](const ip_address& a) {
      return around.is_own(endpoint{a, port});
    };
  }
  // Where the owner of this machine has chosen the host, it may be anywhere.
  if (!at.is_chosen) {
    o.is_allowed = [&delivery](const ip_address& a) {
      return !a.is_special() || is_in_any(a, delivery.allowed_special_networks);
    };
  }
  return o;
}

net::task<dns::host_list> look_up(const connections_world& around, policy::route_host at) {
  dns::host_list found;
  found.is_complete = true;
  if (at.is_local) co_return found;
  const auto options = options_for(around, at);
  if (at.lookup_mx) {
    found = co_await dns::mail_hosts(around.resolver, at.name, options, around.world.random);
  } else {
    found = co_await dns::plain_hosts(around.resolver, at.name, options);
  }
  co_return found;
}

/// Nearer hosts of one list have lower tiers; the first ones of several lists are equal.
void append(std::multimap<std::uint32_t, candidate>& all, const policy::route_host& at,
            const policy::route& way, const dns::host_list& found) {
  candidate c;
  c.to.port = at.port;
  c.tier = static_cast<std::uint32_t>(at.preference) << 16;
  if (at.is_local) {
    c.to.local_path = at.name;
    c.to.host.name = "localhost";
    const auto tier = c.tier;
    all.emplace(tier, std::move(c));
    return;
  }
  const dns::host* last = nullptr;
  for (const auto& host : found.hosts) {
    if (last != nullptr && host.preference != last->preference) ++c.tier;
    last = &host;
    c.to.host = host;
    c.to.source = host.address.is_v6() ? way.source_ipv6 : way.source_ipv4;
    all.emplace(c.tier, c);
  }
}

verdict why_none(const std::vector<dns::host_list>& lists, bool has_chosen) {
  const auto temporary =
      std::ranges::find(lists, dns::host_fault::temporary, &dns::host_list::fault);
  const auto& said = temporary != lists.end() ? *temporary : lists.front();
  auto why = classify(said.fault, said.reason);
  if (has_chosen && why.what == outcome::bounced) {
    // The name is our configuration's, not the sender's, fault: mail waits for its repair.
    why.what = outcome::deferred;
    why.status = "4.4.4";
  }
  return why;
}

}  // namespace

net::task<found_hosts> find_hosts(const connections_world& around, const policy::next_hop& hop) {
  const auto& way = around.routes.at(hop);
  const auto hosts = draw_order(around.routes.hosts(hop), around.world.random);
  found_hosts found;
  if (hosts.empty()) {
    found.why = verdict(outcome::deferred, blame::destination, "4.3.5",
                        "route " + way.name + " names no host");
    co_return found;
  }
  std::vector<net::task<dns::host_list>> questions;
  for (const auto& at : hosts) questions.push_back(look_up(around, at));
  const auto lists = co_await net::gather(std::move(questions));
  std::multimap<std::uint32_t, candidate> all;  // equal tiers: in the order of the lists
  for (std::size_t i = 0; i < hosts.size(); ++i) append(all, hosts[i], way, lists[i]);
  for (auto& [tier, c] : all) found.all.push_back(std::move(c));
  found.is_complete = std::ranges::all_of(lists, &dns::host_list::is_complete);
  found.has_chosen = std::ranges::any_of(hosts, &policy::route_host::is_chosen);
  if (found.all.empty()) found.why = why_none(lists, found.has_chosen);
  co_return found;
}

}  // namespace relais::delivery
