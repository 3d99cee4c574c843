// The order of the checks at each step: what costs nothing first, what waits for DNS then, what
// counts last, so that only what passes is counted.
#include "inbound/gatekeeper.hpp"

#include <utility>

#include "inbound/gatekeeper_dns.hpp"
#include "inbound/shared_policy.hpp"

namespace relais::inbound {
namespace {

using config::rate_of;
using smtp::reply_id;

verdict refused(reply_id id, std::string argument, std::string rule) {
  verdict v;
  v.refusal = id;
  v.argument = std::move(argument);
  v.rule = std::move(rule);
  return v;
}

bool is_accept(const std::optional<policy::access_decision>& d) {
  return d && d->action == config::access_action::accept;
}

verdict verdict_of(policy::access_decision& d) {
  const auto id = d.action == config::access_action::defer ? reply_id::policy_deferred
                                                           : reply_id::policy_rejected;
  return refused(id, std::move(d.text), std::move(d.rule));
}

class policy_gatekeeper final : public gatekeeper {
 public:
  policy_gatekeeper(const config::settings& settings, const net::runtime& world, dns::resolver& dns,
                    shared_policy& shared, event_sink& events)
      : settings_(settings.policy),
        world_(world),
        shared_(shared),
        dns_(world, dns, settings_, events) {}

  bool asks_at_connect(const client_facts& client) const noexcept override {
    return needs_name(client) || shared_.limits(rate_of::connections, client.address);
  }
  bool asks_at_mail(const client_facts& client) const noexcept override {
    return !shared_.rules().is_empty() || shared_.limits(rate_of::messages, client.address) ||
           (!client.is_exempt() && checks_sender());
  }
  bool asks_at_rcpt(const client_facts& client) const noexcept override {
    return !shared_.rules().is_empty() || shared_.limits(rate_of::recipients, client.address) ||
           (!client.is_exempt() &&
            (!settings_.dns_lists.empty() || settings_.recipient_domain || shared_.has_greylist()));
  }

  net::task<verdict> at_connect(client_facts& client) override;
  net::task<verdict> at_mail(const client_facts& client, const smtp::path& sender) override;
  net::task<verdict> at_rcpt(const client_facts& client, const smtp::path& sender,
                             const smtp::path& recipient) override;
  void stop() override { dns_.stop(); }
  net::task<bool> join(duration limit) override { return dns_.join(limit); }

 private:
  bool needs_name(const client_facts& client) const noexcept {
    return settings_.client_names || shared_.rules().need_client_name() ||
           (!client.is_exempt() && settings_.reverse_dns != config::reverse_dns_check::off);
  }
  bool checks_sender() const noexcept {
    return settings_.reverse_dns != config::reverse_dns_check::off ||
           settings_.hello != config::hello_check::off || settings_.sender_domain;
  }

  net::task<verdict> check_hello(const client_facts& client);
  net::task<verdict> check_sender(const client_facts& client, const smtp::path& sender);
  net::task<verdict> check_recipient(const client_facts& client, const smtp::path& recipient);
  /// Rates, and the greylist if it is asked, on the first worker.
  net::task<verdict> count_recipient(const client_facts& client, const smtp::path& sender,
                                     const smtp::path& recipient, bool greylisted);

  const config::policy_settings& settings_;
  const net::runtime& world_;
  shared_policy& shared_;
  gatekeeper_dns dns_;
};

policy::access_subject subject_of(const client_facts& client, const smtp::path& sender,
                                  const smtp::path* recipient) {
  policy::access_subject s;
  s.client = client.address;
  s.client_name = client.name;
  s.hello = client.hello;
  s.user = client.user;
  s.sender = &sender;
  s.recipient = recipient;
  return s;
}

net::task<verdict> policy_gatekeeper::at_connect(client_facts& client) {
  if (shared_.limits(rate_of::connections, client.address)) {
    std::function<verdict(shared_policy&)> question = [a = client.address](shared_policy& p) {
      return p.connection(a);
    };
    auto counted = co_await shared_.ask(world_, std::move(question));
    if (counted.is_refusal()) co_return counted;
  }
  client.name = "unknown";
  client.unconfirmed_name.clear();
  client.name_lookup_failed = false;
  if (!needs_name(client)) co_return verdict();
  auto known = co_await dns_.name_of(client.address);
  client.name = std::move(known.name);
  client.unconfirmed_name = std::move(known.unconfirmed);
  client.name_lookup_failed = known.lookup_failed;
  co_return verdict();
}

net::task<verdict> policy_gatekeeper::at_mail(const client_facts& client,
                                              const smtp::path& sender) {
  auto decision = shared_.rules().decide(subject_of(client, sender, nullptr));
  if (decision && !is_accept(decision)) co_return verdict_of(*decision);
  if (!is_accept(decision) && !client.is_exempt() && checks_sender()) {
    auto checked = co_await check_sender(client, sender);
    if (checked.is_refusal()) co_return checked;
  }
  if (!shared_.limits(rate_of::messages, client.address)) co_return verdict();
  std::function<verdict(shared_policy&)> question = [a = client.address, user = client.user,
                                                     from = sender.text()](shared_policy& p) {
    return p.message(policy::rate_subject{a, user, from});
  };
  co_return co_await shared_.ask(world_, std::move(question));
}

net::task<verdict> policy_gatekeeper::check_hello(const client_facts& client) {
  const auto about = "<" + client.hello + ">: Helo command rejected: ";
  if (!policy::is_hello_syntax(client.hello)) {
    co_return refused(reply_id::policy_rejected, about + "invalid name", "policy.hello");
  }
  const bool is_literal = client.hello.starts_with('[');
  if (settings_.hello != config::hello_check::resolvable || is_literal) co_return verdict();
  switch (co_await dns_.host(client.hello)) {
    case policy::looked_up::found: break;
    case policy::looked_up::failed:
      co_return refused(reply_id::policy_deferred, about + "host could not be looked up",
                        "policy.hello");
    case policy::looked_up::no_name:
    case policy::looked_up::no_record:
      co_return refused(reply_id::policy_rejected, about + "host not found", "policy.hello");
  }
  co_return verdict();
}

net::task<verdict> policy_gatekeeper::check_sender(const client_facts& client,
                                                   const smtp::path& sender) {
  if (const auto refusal = policy::refusal_of_client_name(
          settings_.reverse_dns, client.name, client.unconfirmed_name, client.name_lookup_failed)) {
    co_return refused(*refusal, {}, "policy.reverse_dns");
  }
  if (settings_.hello != config::hello_check::off) {
    auto checked = co_await check_hello(client);
    if (checked.is_refusal()) co_return checked;
  }
  if (!settings_.sender_domain || !policy::has_domain_in_dns(sender)) co_return verdict();
  const auto state = co_await dns_.state_of(sender.domain());
  if (const auto refusal = policy::refusal_of_sender(state)) {
    co_return refused(*refusal, sender.text(), "policy.sender_domain");
  }
  co_return verdict();
}

net::task<verdict> policy_gatekeeper::at_rcpt(const client_facts& client, const smtp::path& sender,
                                              const smtp::path& recipient) {
  auto decision = shared_.rules().decide(subject_of(client, sender, &recipient));
  if (decision && !is_accept(decision)) co_return verdict_of(*decision);
  const bool is_checked = !is_accept(decision) && !client.is_exempt();
  if (is_checked) {
    auto checked = co_await check_recipient(client, recipient);
    if (checked.is_refusal()) co_return checked;
  }
  const bool greylisted = is_checked && shared_.has_greylist();
  if (!greylisted && !shared_.limits(rate_of::recipients, client.address)) co_return verdict();
  co_return co_await count_recipient(client, sender, recipient, greylisted);
}

net::task<verdict> policy_gatekeeper::check_recipient(const client_facts& client,
                                                      const smtp::path& recipient) {
  if (!settings_.dns_lists.empty()) {
    auto listing = co_await dns_.listing_of(client.address);
    if (listing) {
      co_return refused(reply_id::listed_by_dns, std::move(listing->text),
                        std::move(listing->rule));
    }
  }
  if (!settings_.recipient_domain || !policy::has_domain_in_dns(recipient)) co_return verdict();
  const auto state = co_await dns_.state_of(recipient.domain());
  if (const auto refusal = policy::refusal_of_recipient(state)) {
    co_return refused(*refusal, recipient.text(), "policy.recipient_domain");
  }
  co_return verdict();
}

net::task<verdict> policy_gatekeeper::count_recipient(const client_facts& client,
                                                      const smtp::path& sender,
                                                      const smtp::path& recipient,
                                                      bool greylisted) {
  // By value: the session may be gone when the first worker comes to it.
  std::function<verdict(shared_policy&)> question = [a = client.address, user = client.user,
                                                     from = sender, to = recipient,
                                                     greylisted](shared_policy& p) {
    const auto text = from.text();
    const policy::rate_subject who{a, user, text};
    return p.recipient(who, greylisted ? &from : nullptr, greylisted ? &to : nullptr);
  };
  return shared_.ask(world_, std::move(question));
}

}  // namespace

std::unique_ptr<gatekeeper> make_gatekeeper(const config::settings& settings,
                                            const net::runtime& world, dns::resolver& dns,
                                            shared_policy& shared, event_sink& events) {
  return std::make_unique<policy_gatekeeper>(settings, world, dns, shared, events);
}

}  // namespace relais::inbound
