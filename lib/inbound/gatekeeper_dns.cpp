#include "inbound/gatekeeper_dns.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"

namespace relais::inbound {

using namespace std::chrono_literals;
using policy::looked_up;
using family = dns::resolver::family;

namespace {

constexpr duration patience = 5s;
constexpr duration listing_lifetime = 1min;
constexpr std::size_t most_listings = 10'000;
// An address with hundreds of names is no mail host, and each costs a look-up.
constexpr std::size_t most_names = 5;
constexpr std::array both{family::v4, family::v6};

looked_up said_by(const error_code& error) {
  if (error == errc::not_found || error == errc::syntax) return looked_up::no_name;
  return error == errc::no_data ? looked_up::no_record : looked_up::failed;
}

/// What several jobs have found so far. Outlives whoever waits for it.
template <class T>
struct findings {
  findings(const net::asio::any_io_executor& executor, std::size_t jobs, const T& otherwise)
      : changed(executor), results(jobs, otherwise), left(jobs) {}
  net::condition changed;
  std::vector<T> results;
  std::size_t left;
};

template <class T>
net::task<void> run_into(std::shared_ptr<findings<T>> into, std::size_t number, net::task<T> job) {
  // Also if the job is cancelled.
  struct end {
    findings<T>& of;
    ~end() {
      --of.left;
      of.changed.notify_all();
    }
  };
  const end counted{*into};
  into->results[number] = co_await std::move(job);
}

}  // namespace

gatekeeper_dns::gatekeeper_dns(const net::runtime& world, dns::resolver& dns,
                               const config::policy_settings& settings, event_sink& events)
    : world_(world),
      dns_(dns),
      settings_(settings),
      events_(events),
      failing_(settings.dns_lists.size()),
      listings_(most_listings),
      lookups_(world, [this](const std::string& label, const std::string& what) {
        events_.emit(events::notice{"smtpd", true, label + ": " + what});
      }) {}

template <class T>
net::task<std::vector<T>> gatekeeper_dns::in_time(std::vector<net::task<T>> jobs, T otherwise) {
  const auto found = std::make_shared<findings<T>>(world_.executor, jobs.size(), otherwise);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    lookups_.spawn("look-up for a client", run_into<T>(found, i, std::move(jobs[i])));
  }
  bool late = false;
  const auto bell = world_.alarms.make([&late, &f = *found] {
    late = true;
    f.changed.notify_all();
  });
  bell->set(world_.clock.now() + patience);
  while (found->left > 0 && !late) co_await found->changed.wait();
  co_return found->results;
}

template <class T>
net::task<T> gatekeeper_dns::in_time(net::task<T> job, T otherwise) {
  std::vector<net::task<T>> jobs;
  jobs.push_back(std::move(job));
  auto results = co_await in_time<T>(std::move(jobs), std::move(otherwise));
  co_return std::move(results.front());
}

net::task<client_name> gatekeeper_dns::name_of(ip_address client) {
  client_name unknown;
  unknown.lookup_failed = true;
  return in_time<client_name>(look_up_name(client), std::move(unknown));
}

net::task<client_name> gatekeeper_dns::look_up_name(ip_address client) {
  client_name known;
  const auto names = co_await dns_.names(client);
  if (!names) {
    known.lookup_failed = said_by(names.error()) == looked_up::failed;
    co_return known;
  }
  known.unconfirmed = names->records.front();
  const auto which = client.is_v6() ? family::v6 : family::v4;
  const auto count = std::min(names->records.size(), most_names);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& name = names->records[i];
    const auto addresses = co_await dns_.addresses(name, which);
    if (!addresses) {
      if (said_by(addresses.error()) == looked_up::failed) known.lookup_failed = true;
      continue;
    }
    if (std::ranges::find(addresses->records, client) == addresses->records.end()) continue;
    known.name = name;
    known.lookup_failed = false;
    break;
  }
  co_return known;
}

net::task<looked_up> gatekeeper_dns::look_up_addresses(std::string name, family which) {
  const auto found = co_await dns_.addresses(std::move(name), which);
  co_return found ? looked_up::found : said_by(found.error());
}

net::task<policy::domain_state> gatekeeper_dns::state_of(std::string domain) {
  return in_time<policy::domain_state>(look_up_domain(std::move(domain)),
                                       policy::domain_state::unresolved);
}

net::task<policy::domain_state> gatekeeper_dns::look_up_domain(std::string domain) {
  const auto mx = co_await dns_.mx(domain);
  const auto said = mx ? looked_up::found : said_by(mx.error());
  const bool is_null =
      mx && std::ranges::all_of(mx->records, [](const auto& r) { return r.exchange.empty(); });
  auto v4 = looked_up::no_record, v6 = looked_up::no_record;
  if (policy::needs_addresses(said)) {
    v4 = co_await look_up_addresses(domain, family::v4);
    if (v4 != looked_up::found) v6 = co_await look_up_addresses(domain, family::v6);
  }
  co_return policy::judge_domain(said, is_null, v4, v6);
}

net::task<looked_up> gatekeeper_dns::host(std::string name) {
  return in_time<looked_up>(look_up_host(std::move(name)), looked_up::failed);
}

net::task<looked_up> gatekeeper_dns::look_up_host(std::string name) {
  bool failed = false;
  for (const auto which : both) {
    const auto said = co_await look_up_addresses(name, which);
    if (said == looked_up::found || said == looked_up::no_name) co_return said;
    failed = failed || said == looked_up::failed;
  }
  const auto mx = co_await dns_.mx(name);
  if (mx) co_return looked_up::found;
  failed = failed || said_by(mx.error()) == looked_up::failed;
  co_return failed ? looked_up::failed : looked_up::no_name;
}

net::task<std::optional<policy::dns_list_verdict>> gatekeeper_dns::listing_of(ip_address client) {
  const auto key = client.text();
  const auto now = world_.clock.now();
  if (const auto* known = listings_.find(key); known != nullptr && known->until > now) {
    co_return known->verdict;
  }
  std::vector<net::task<looked_up>> jobs;
  for (std::size_t i = 0; i < settings_.dns_lists.size(); ++i)
    jobs.push_back(look_up_listing(i, client));
  const auto said = co_await in_time<looked_up>(std::move(jobs), looked_up::failed);
  std::vector<bool> listed;
  for (std::size_t i = 0; i < said.size(); ++i) {
    listed.push_back(said[i] == looked_up::found);
    note_failure(i, said[i] == looked_up::failed);
  }
  known_listing fresh;
  fresh.until = world_.clock.now() + listing_lifetime;
  fresh.verdict = policy::judge_dns_lists(settings_, listed, client);
  co_return listings_.put(key, std::move(fresh)).verdict;
}

net::task<looked_up> gatekeeper_dns::look_up_listing(std::size_t list, ip_address client) {
  const auto& of = settings_.dns_lists[list];
  const auto found = co_await dns_.addresses(policy::dns_list_query(of, client), family::v4);
  if (!found) co_return said_by(found.error());
  co_return policy::is_listed(of, found->records) ? looked_up::found : looked_up::no_record;
}

/// A list that does not answer lists nobody; the postmaster hears of it once.
void gatekeeper_dns::note_failure(std::size_t list, bool failed) {
  if (failing_[list] == failed) return;
  failing_[list] = failed;
  const auto sentence = "the DNS list " + settings_.dns_lists[list].zone +
                        (failed ? " does not answer: nobody counts as listed" : " answers again");
  events_.emit(events::notice{"smtpd", failed, sentence});
}

}  // namespace relais::inbound
