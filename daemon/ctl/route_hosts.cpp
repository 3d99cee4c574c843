#include "daemon/ctl/route_hosts.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "daemon/ctl/failure.hpp"
#include "dns/cares_resolver.hpp"
#include "dns/hosts_file.hpp"
#include "net/runtime.hpp"

namespace relais::ctl {
namespace {

namespace asio = boost::asio;

/// What the look-ups share; outlives them.
struct look_up_world {
  const config::settings& settings;
  dns::resolver& resolver;
  const net::network& network;
  random& rng;

  /// Whether relaisd itself listens there.
  bool is_own(const endpoint& to) const {
    return std::ranges::any_of(settings.listeners, [&](const config::listener& l) {
      if (l.address.at.port != to.port) return false;
      if (l.address.is == listen_address::kind::any) return network.is_own_address(to.address);
      if (l.address.is != listen_address::kind::inet) return false;
      const auto& own = l.address.at.address;
      return own == to.address || (own.is_unspecified() && network.is_own_address(to.address));
    });
  }
};

void note(std::vector<refused_address>& refused, const ip_address& address, const char* why) {
  const auto is_it = [&](const refused_address& r) { return r.address == address; };
  if (std::ranges::none_of(refused, is_it)) refused.push_back({address, why});
}

dns::host_options options_for(const look_up_world& world, host_answer& answer) {
  const auto& delivery = world.settings.delivery;
  dns::host_options o;
  o.own_name = world.settings.hostname;
  o.ipv4 = delivery.ipv4;
  o.ipv6 = delivery.ipv6;
  o.is_own_address = [&world, &answer](const ip_address& a) {
    const bool own = world.is_own({a, answer.at.port});
    if (own) note(answer.refused, a, "this host");
    return own;
  };
  if (answer.at.is_chosen) return o;
  o.is_allowed = [&delivery, &answer](const ip_address& a) {
    const bool allowed = !a.is_special() || is_in_any(a, delivery.allowed_special_networks);
    if (!allowed) note(answer.refused, a, "loopback, private or link-local");
    return allowed;
  };
  return o;
}

net::task<void> look_up_all(const look_up_world& world, std::vector<host_answer>& answers) {
  for (auto& answer : answers) {
    if (answer.at.is_local) continue;
    const auto options = options_for(world, answer);
    auto name = answer.at.name;
    if (answer.at.lookup_mx) {
      answer.found = co_await dns::mail_hosts(world.resolver, std::move(name), options, world.rng);
    } else {
      answer.found = co_await dns::plain_hosts(world.resolver, std::move(name), options);
    }
  }
}

}  // namespace

std::vector<host_answer> look_up_hosts(const config::settings& settings,
                                       const std::vector<policy::route_host>& hosts) {
  std::vector<host_answer> answers(hosts.size());
  for (std::size_t i = 0; i < hosts.size(); ++i) answers[i].at = hosts[i];
  try {
    asio::io_context io{1};
    const system_clocks time;
    const auto alarms = net::make_system_alarms(io.get_executor());
    const auto network = net::make_system_network(io.get_executor(), *alarms, time);
    dns::resolver_options options;
    options.servers = settings.dns.servers;
    options.timeout = settings.dns.timeout;
    options.attempts = static_cast<unsigned>(settings.dns.attempts);
    dns::cares_resolver source(io.get_executor(), options);
    dns::hosts_file_resolver resolver(source, "/etc/hosts");
    seeded_random rng(system_seed());
    const look_up_world world{settings, resolver, *network, rng};
    std::exception_ptr fault;
    const auto ended = [&](std::exception_ptr why) {
      fault = std::move(why);
      io.stop();
    };
    asio::co_spawn(io, look_up_all(world, answers), ended);
    io.run();
    if (fault) std::rethrow_exception(fault);
  } catch (const boost::system::system_error& e) {
    throw failure(exit_code::os_error, std::string("DNS cannot be asked: ") + e.what());
  }
  return answers;
}

}  // namespace relais::ctl
