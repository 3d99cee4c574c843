#include "dns/hosts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/error.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"
#include "net/gather.hpp"

namespace relais::dns {

std::vector<mx_record> order_exchanges(std::vector<mx_record> records, const std::string& own_name,
                                       random& rng) {
  // By name, too: the order then depends on the seed alone, not on how servers rotate their
  // answers.
  std::ranges::sort(records, {},
                    [](const mx_record& r) { return std::tie(r.preference, r.exchange); });
  const auto own = normal_name(own_name);
  if (!own.empty()) {
    const auto ours = std::ranges::find_if(
        records, [&](const mx_record& r) { return normal_name(r.exchange) == own; });
    if (ours != records.end()) {
      // RFC 5321 5.1: mail never moves to a host that is as far from its target as we are.
      const auto first =
          std::ranges::lower_bound(records, ours->preference, {}, &mx_record::preference);
      records.erase(first, records.end());
    }
  }
  for (auto group = records.begin(); group != records.end();) {
    const auto end = std::ranges::upper_bound(group, records.end(), group->preference, {},
                                              &mx_record::preference);
    for (auto left = static_cast<std::uint64_t>(end - group); left > 1; --left, ++group) {
      std::iter_swap(group, group + static_cast<std::ptrdiff_t>(rng.below(left)));
    }
    group = end;
  }
  return records;
}

std::vector<ip_address> interleave(const std::vector<ip_address>& v6,
                                   const std::vector<ip_address>& v4) {
  std::vector<ip_address> both;
  both.reserve(v6.size() + v4.size());
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) both.push_back(v6[i]);
    if (i < v4.size()) both.push_back(v4[i]);
  }
  return both;
}

namespace {

/// The addresses of one name, and whether more may come to light another time.
struct found_addresses {
  std::vector<ip_address> list;
  bool is_temporary = false;
  bool is_no_name = false;
};

bool is_permanent(const error_code& failure) noexcept {
  return failure == errc::not_found || failure == errc::no_data || failure == errc::syntax;
}

using addresses_answer = result<answer<ip_address>>;

net::task<addresses_answer> ask(resolver& dns, std::string name, resolver::family which,
                                bool is_wanted) {
  if (!is_wanted) co_return errc::no_data;
  co_return co_await dns.addresses(std::move(name), which);
}

// Both families at the same time: one does not wait for the other.
net::task<found_addresses> addresses_of(resolver& dns, std::string name,
                                        const host_options& options) {
  found_addresses found;
  // A common mistake: an address where a name belongs. There is nothing to ask for.
  found.is_no_name = ip_address::parse(name).has_value();
  if (found.is_no_name) co_return found;
  std::vector<net::task<addresses_answer>> questions;
  questions.push_back(ask(dns, name, resolver::family::v6, options.ipv6));
  questions.push_back(ask(dns, name, resolver::family::v4, options.ipv4));
  const auto answers = co_await net::gather(std::move(questions));
  for (const auto& said : answers) {
    if (said.has_error() && !is_permanent(said.error())) found.is_temporary = true;
  }
  const auto& v6 = answers[0];
  const auto& v4 = answers[1];
  const std::vector<ip_address> none;
  found.list = interleave(v6 ? v6->records : none, v4 ? v4->records : none);
  co_return found;
}

host_list failure(host_fault fault, std::string reason) {
  host_list failed;
  failed.fault = fault;
  failed.reason = std::move(reason);
  return failed;
}

/// "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3); absent if the text is none of them.
std::optional<ip_address> parse_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return {};
  text = text.substr(1, text.size() - 2);
  const bool is_v6 = istarts_with(text, "IPv6:");
  if (is_v6) text.remove_prefix(5);
  // "[2001:db8::1]" is not the mail form; relay routes are written like that, and it is
  // unambiguous.
  const auto address = ip_address::parse(text);
  if (is_v6 && address && text.find(':') == std::string_view::npos) return {};
  return address;
}

bool is_own(const host_options& options, const ip_address& address) {
  return options.is_own_address && options.is_own_address(address);
}

/// Collects hosts in their order and, for the case that none is left, why each was left out.
class host_collector {
 public:
  host_collector(std::string domain, const host_options& options)
      : domain_(std::move(domain)), options_(options) {}

  /// Nothing behind this one may be used, or is wanted.
  bool is_done(std::uint16_t preference) const noexcept {
    return !own_.empty() || (full() && preference > list_.hosts.back().preference);
  }

  void add(const mx_record& exchange, const found_addresses& found) {
    if (found.is_temporary && temporary_.empty()) nearest_temporary_ = exchange.preference;
    if (found.is_temporary) note(temporary_, exchange.exchange);
    if (found.list.empty() && !found.is_temporary) note(without_address_, exchange.exchange);
    for (const auto& address : found.list) {
      // Looked at before anything else: what is as far away as we are must not be tried, and a
      // worse host least of all (RFC 5321 5.1), even where our address could not be used anyway.
      if (is_own(options_, address)) return stop_at_ourselves(exchange, address);
    }
    for (const auto& address : found.list) add_address(exchange, address);
  }

  void add_unusable(const mx_record& exchange) {
    note(without_address_, printable(exchange.exchange));
  }

  /// Our limit, not the domain's fault: without any other host, that is no reason to bounce.
  void add_unasked(const mx_record& exchange) { note(temporary_, exchange.exchange); }

  host_list finish() {
    list_.is_complete = temporary_.empty();
    if (!list_.hosts.empty()) return std::move(list_);
    if (!temporary_.empty()) {
      return failure(host_fault::temporary,
                     fmt::format("addresses of {} could not be looked up", temporary_));
    }
    if (!own_.empty()) {
      return failure(host_fault::loops_to_self,
                     fmt::format("mail for {} loops back to this host: {}", domain_, own_));
    }
    if (!forbidden_.empty()) {
      return failure(host_fault::forbidden_address,
                     fmt::format("mail for {} leads to an address that is not allowed: {}", domain_,
                                 forbidden_));
    }
    if (without_address_ == domain_) {
      return failure(host_fault::no_mail_host, fmt::format("host {} has no address", domain_));
    }
    return failure(host_fault::no_mail_host,
                   fmt::format("no mail host of {} has an address: {}", domain_, without_address_));
  }

 private:
  /// Names for a sentence in a report: all of them would be too many.
  static void note(std::string& names, const std::string& name) {
    if (names.size() > 200) return;
    if (!names.empty()) names += ", ";
    names += name;
  }

  bool full() const noexcept {
    return !list_.hosts.empty() && list_.hosts.size() >= options_.maximum_hosts;
  }

  void add_address(const mx_record& exchange, const ip_address& address) {
    if (options_.is_allowed && !options_.is_allowed(address)) {
      return note(forbidden_, fmt::format("{}[{}]", exchange.exchange, address.text()));
    }
    const auto same = [&](const host& h) { return h.address == address; };
    // When full, more hosts are looked at only because an equal one may be ourselves.
    if (std::ranges::any_of(list_.hosts, same) || full()) return;
    list_.hosts.push_back(host{exchange.exchange, address, exchange.preference});
  }

  void stop_at_ourselves(const mx_record& exchange, const ip_address& address) {
    note(own_, fmt::format("{}[{}]", exchange.exchange, address.text()));
    std::erase_if(list_.hosts, [&](const host& h) { return h.preference >= exchange.preference; });
    if (nearest_temporary_ >= exchange.preference) temporary_.clear();
  }

  std::string domain_;
  const host_options& options_;
  host_list list_;
  std::string temporary_, own_, forbidden_, without_address_;
  std::uint16_t nearest_temporary_ = 0;  // of the best exchange whose look-up failed
};

host_list literal_host(const std::string& literal, const host_options& options, bool may_forbid) {
  const auto address = parse_literal(literal);
  const auto shown = printable(literal);
  if (!address) {
    return failure(host_fault::no_such_domain, fmt::format("{} is no address literal", shown));
  }
  if (!(address->is_v6() ? options.ipv6 : options.ipv4)) {
    return failure(host_fault::no_mail_host,
                   fmt::format("{} is of an address family that is switched off", shown));
  }
  if (is_own(options, *address)) {
    return failure(host_fault::loops_to_self,
                   fmt::format("mail for {} loops back to this host", shown));
  }
  if (may_forbid && options.is_allowed && !options.is_allowed(*address)) {
    return failure(host_fault::forbidden_address, fmt::format("address {} is not allowed", shown));
  }
  host_list one;
  one.hosts.push_back(host{address->text(), *address, 0});
  one.is_complete = true;
  return one;
}

/// What an answer to the MX question that brought no records means; absent: implicit MX.
std::optional<host_list> refusal(const error_code& said, const std::string& domain) {
  const auto shown = printable(domain);
  if (said == errc::no_data) return {};
  if (said == errc::not_found) {
    return failure(host_fault::no_such_domain, fmt::format("domain {} does not exist", shown));
  }
  if (said == errc::syntax) {
    return failure(host_fault::no_such_domain, fmt::format("{} is no domain name", shown));
  }
  return failure(host_fault::temporary,
                 fmt::format("mail hosts of {} could not be looked up", shown));
}

/// RFC 7505 3: a null MX stands alone. Among others it is a mistake, and means nothing.
bool is_null_mx(std::vector<mx_record>& records) {
  const bool had_records = !records.empty();
  std::erase_if(records, [](const mx_record& r) { return r.exchange.empty(); });
  return had_records && records.empty();
}

}  // namespace

net::task<host_list> mail_hosts(resolver& dns, std::string domain, const host_options& options,
                                random& rng) {
  if (domain.starts_with('[')) co_return literal_host(domain, options, true);

  auto answered = co_await dns.mx(domain);
  std::vector<mx_record> records;
  if (answered.has_error()) {
    if (auto refused = refusal(answered.error(), domain)) co_return std::move(*refused);
    // RFC 5321 5.1: an implicit MX, of preference 0, only if the domain has no MX record at all.
    const auto name = query_name(domain);
    records.emplace_back(std::uint16_t{0}, name.has_value() ? *name : normal_name(domain));
  } else {
    records = std::move(answered->records);
    if (is_null_mx(records)) {
      co_return failure(host_fault::null_mx,
                        fmt::format("domain {} does not accept mail (null MX)", printable(domain)));
    }
  }

  const auto exchanges = order_exchanges(std::move(records), options.own_name, rng);
  if (exchanges.empty()) {
    co_return failure(host_fault::loops_to_self,
                      fmt::format("mail for {} loops back to this host: {} is its best mail host",
                                  printable(domain), options.own_name));
  }
  host_collector hosts(printable(domain), options);
  // All at once: what a mail waits for is one round trip to the resolver, not one per host.
  std::vector<net::task<found_addresses>> questions;
  for (const auto& exchange : exchanges) {
    if (questions.size() >= options.maximum_exchanges) break;
    questions.push_back(addresses_of(dns, exchange.exchange, options));
  }
  const auto answers = co_await net::gather(std::move(questions));
  for (std::size_t i = 0; i < exchanges.size(); ++i) {
    if (hosts.is_done(exchanges[i].preference)) break;
    if (i >= answers.size()) {
      hosts.add_unasked(exchanges[i]);
      break;
    }
    if (answers[i].is_no_name) {
      hosts.add_unusable(exchanges[i]);
    } else {
      hosts.add(exchanges[i], answers[i]);
    }
  }
  co_return hosts.finish();
}

net::task<host_list> plain_hosts(resolver& dns, std::string name, const host_options& options) {
  if (name.starts_with('[') && name.ends_with(']') && !parse_literal(name)) {
    name = name.substr(1, name.size() - 2);  // "[mail.example.org]": do not look for its MX
  }
  if (ip_address::parse(name)) name = '[' + name + ']';
  if (name.starts_with('[')) co_return literal_host(name, options, false);

  const auto asked = query_name(name);
  if (asked.has_error()) {
    co_return failure(host_fault::no_such_domain,
                      fmt::format("{} is no host name", printable(name)));
  }
  const auto found = co_await addresses_of(dns, *asked, options);
  auto anywhere = options;
  anywhere.is_allowed = nullptr;
  host_collector hosts(*asked, anywhere);
  hosts.add(mx_record(0, *asked), found);
  co_return hosts.finish();
}

}  // namespace relais::dns
