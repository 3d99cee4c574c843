#include "inbound/shared_policy.hpp"

#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

#include "policy/client_network.hpp"

namespace relais::inbound {

using namespace std::chrono_literals;

namespace {

// What a crash may lose of the greylist.
constexpr duration save_delay = 1s;

policy::digest fresh_secret() {
  policy::digest secret{};
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1)
    throw std::runtime_error("OpenSSL has no random octets");
  return secret;
}

verdict refused(smtp::reply_id id, std::string rule, std::string argument = {}) {
  verdict v;
  v.refusal = id;
  v.rule = std::move(rule);
  v.argument = std::move(argument);
  return v;
}

void forget_one(std::map<ip_address, std::uint64_t>& counts, const ip_address& key) {
  const auto at = counts.find(key);
  if (at != counts.end() && --at->second == 0) counts.erase(at);
}

}  // namespace

shared_policy::shared_policy(const config::settings& settings, const net::runtime& first,
                             state_file* memory, event_sink& events)
    : first_(first),
      events_(events),
      memory_(memory),
      per_client_(settings.limits.connections_per_client),
      per_network_(settings.limits.connections_per_network),
      rules_(settings.policy),
      rates_(settings.policy, policy::keyed_hash(fresh_secret())),
      saving_(first.alarms.make([this] { flush(); })) {
  if (settings.policy.greylist.enabled) open_greylist(settings.policy.greylist);
}

// Nothing is written here: who writes may be gone by then.
shared_policy::~shared_policy() = default;

void shared_policy::open_greylist(const config::greylist_settings& settings) {
  std::string journal;
  if (memory_ != nullptr) {
    auto content = memory_->read();
    if (content) {
      journal = std::move(*content);
    } else {
      const auto sentence =
          "the greylist cannot be read and begins anew: " + content.error().message();
      events_.emit(events::notice{"smtpd", true, sentence});
    }
  }
  const auto secret = policy::greylist::secret_of(journal);
  greylist_.emplace(settings, secret ? *secret : fresh_secret());
  greylist_->restore(journal, first_.clock.wall());
  // What a crash has torn is gone with this, and the heading is there.
  if (memory_ != nullptr) memory_->replace(greylist_->whole());
}

verdict shared_policy::connection(const ip_address& client) {
  const policy::rate_subject who{client, {}, {}};
  const auto now = first_.clock.now();
  if (auto rule = rates_.exceeded(config::rate_of::connections, who, now))
    return refused(smtp::reply_id::too_many_connections, std::move(*rule));
  rates_.count(config::rate_of::connections, who, now);
  return {};
}

verdict shared_policy::message(const policy::rate_subject& who) {
  const auto now = first_.clock.now();
  if (auto rule = rates_.exceeded(config::rate_of::messages, who, now))
    return refused(smtp::reply_id::rate_limited, std::move(*rule));
  rates_.count(config::rate_of::messages, who, now);
  return {};
}

verdict shared_policy::recipient(const policy::rate_subject& who, const smtp::path* sender,
                                 const smtp::path* recipient) {
  const auto now = first_.clock.now();
  // First, so that nobody fills the greylist faster than he may send.
  if (auto rule = rates_.exceeded(config::rate_of::recipients, who, now))
    return refused(smtp::reply_id::rate_limited, std::move(*rule));
  if (greylist_ && sender != nullptr && recipient != nullptr) {
    const auto wait = greylist_->ask(who.client, *sender, *recipient, first_.clock.wall());
    save_soon();
    if (wait) {
      return refused(smtp::reply_id::greylisted, "policy.greylist", std::to_string(wait->count()));
    }
  }
  rates_.count(config::rate_of::recipients, who, now);
  return {};
}

std::optional<smtp::reply_id> shared_policy::admit(const ip_address& client) {
  const auto network = policy::client_network(client);
  const auto count_in = [](const auto& counts, const ip_address& key) {
    const auto at = counts.find(key);
    return at == counts.end() ? std::uint64_t{0} : at->second;
  };
  const bool too_many = (per_client_ != 0 && count_in(of_client_, client) >= per_client_) ||
                        (per_network_ != 0 && count_in(of_network_, network) >= per_network_);
  if (too_many) return smtp::reply_id::too_many_connections;
  ++of_client_[client];
  ++of_network_[network];
  return {};
}

void shared_policy::leave(const ip_address& client) {
  forget_one(of_client_, client);
  forget_one(of_network_, policy::client_network(client));
}

void shared_policy::save_soon() {
  if (memory_ == nullptr || std::exchange(is_saving_, true)) return;
  saving_->set(first_.clock.now() + save_delay);
}

void shared_policy::flush() {
  is_saving_ = false;
  if (memory_ == nullptr || !greylist_) return;
  if (greylist_->is_journal_long()) {
    memory_->replace(greylist_->whole());
    return;
  }
  auto lines = greylist_->take_lines();
  if (!lines.empty()) memory_->append(std::move(lines));
}

net::task<std::optional<smtp::reply_id>> connection_book::admit(ip_address client) {
  using answer = std::optional<smtp::reply_id>;
  if (!shared_.counts_connections()) co_return answer();
  std::function<answer(shared_policy&)> question = [client](shared_policy& p) {
    return p.admit(client);
  };
  co_return co_await shared_.ask(here_, std::move(question));
}

void connection_book::leave(const ip_address& client) {
  if (!shared_.counts_connections()) return;
  if (here_.executor == shared_.executor()) return shared_.leave(client);
  net::asio::post(shared_.executor(), [&shared = shared_, client] { shared.leave(client); });
}

}  // namespace relais::inbound
