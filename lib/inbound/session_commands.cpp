// MAIL and RCPT: what a session allows, in the order in which a postmaster would ask. Syntax was
// checked by the protocol; lists, rates and look-ups are the gatekeeper's.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "inbound/session.hpp"

namespace relais::inbound {
namespace {

using smtp::reply_id;

// What a client that is neither trusted nor logged in may ask for (RFC 6710 4.1).
constexpr std::int8_t most_urgent_of_strangers = 0;

}  // namespace

std::optional<reply_id> session::storage_refusal(std::uint64_t size) const {
  switch (context_.gate.has_room(size)) {
    case spool::health::good: return {};
    case spool::health::full:
      return context_.gate.has_room(0) == spool::health::good ? reply_id::no_storage_for_size
                                                              : reply_id::no_storage;
    case spool::health::critical: return reply_id::storage_exhausted;
    case spool::health::failed: return reply_id::queue_write_failed;
  }
  return reply_id::queue_write_failed;
}

/// What can be said without asking anybody.
std::optional<reply_id> session::sender_refusal(const smtp::path& sender,
                                                std::uint64_t size) const {
  if (draining_) return reply_id::draining;
  if (messages_ >= context_.settings.limits.messages_per_connection) {
    return reply_id::too_many_messages;
  }
  if (const auto refusal = storage_refusal(size)) return refusal;
  if (is_bound_ && !account_.may_send_as(sender)) return reply_id::sender_not_allowed;
  return {};
}

/// What was lawful to say, and cannot be done (RFC 4865 5).
bool session::is_too_late(const smtp::mail_parameters& given) const {
  return given.hold_until && *given.hold_until <= context_.world.clock.wall();
}

net::task<void> session::on_mail(const smtp::path& sender, const smtp::mail_parameters& given) {
  transaction_ = transaction{};
  transaction_.envelope.reverse_path = qualified(sender, false);
  transaction_.has_sender = true;
  if (const auto refusal = sender_refusal(transaction_.envelope.reverse_path, given.size)) {
    const auto shown = transaction_.envelope.reverse_path.text();
    co_return reject("MAIL", *refusal, shown, nullptr);
  }
  if (!transaction_.envelope.reverse_path.is_null() &&
      transaction_.envelope.reverse_path.domain().empty()) {
    const auto shown = sender.text();
    co_return reject("MAIL", reply_id::sender_name_not_allowed, shown, nullptr);
  }
  if (is_too_late(given)) {
    co_return reject("MAIL", reply_id::bad_parameter_value, {}, nullptr);
  }
  // Behind the question the event's views are gone.
  const auto lowered = take_parameters(given);
  if (context_.keeper.asks_at_mail(facts_)) {
    const auto asked = co_await context_.keeper.at_mail(facts_, transaction_.envelope.reverse_path);
    if (asked.is_refusal()) {
      co_return reject("MAIL", *asked.refusal, asked.argument, nullptr, asked.rule);
    }
  }
  if (lowered) {
    const auto used = std::to_string(transaction_.envelope.priority);
    protocol_.reply(*lowered, used);
  } else {
    protocol_.reply(reply_id::sender_ok);
  }
}

/// The parameters into the envelope; the reply is another one where policy changed a value.
std::optional<reply_id> session::take_parameters(const smtp::mail_parameters& given) {
  auto& e = transaction_.envelope;
  const auto now = context_.world.clock.wall();
  e.body = given.body;
  e.smtputf8 = given.smtputf8;
  e.ret = given.ret;
  e.envelope_id = given.envelope_id;
  e.require_tls = given.require_tls;
  e.hold_until = given.hold_until;
  if (given.hold_for) e.hold_until = now + std::chrono::seconds(*given.hold_for);
  if (given.by) {
    e.by = smtp::deliver_by{now + std::chrono::seconds(given.by->seconds), given.by->is_return,
                            given.by->trace};
  }
  // A stranger's reverse-path may be forged: no sure return of a whole message to it.
  if (!is_permitted()) {
    if (e.ret == smtp::dsn_return::full) e.ret = smtp::dsn_return::headers;
    if (e.by) e.by->is_return = false;
  }
  // Whom a stranger calls the author is worth nothing (RFC 4954 5).
  if (given.auth && is_permitted()) e.submitter = *given.auth;
  if (!given.priority) return {};
  e.priority = *given.priority;
  if (is_permitted() || e.priority <= most_urgent_of_strangers) return {};
  e.priority = most_urgent_of_strangers;
  return reply_id::priority_lowered;
}

smtp::path session::qualified(const smtp::path& given, bool is_recipient) const {
  if (given.is_null() || !given.domain().empty()) return given;
  // RFC 5321 4.5.1: it belongs to whoever it is said to.
  if (is_recipient && iequals(given.local_part(), "postmaster")) return given;
  const auto& s = context_.settings;
  const auto& domain = s.submission.domain.empty() ? s.hostname : s.submission.domain;
  auto whole = smtp::parse_address(given.local_part() + '@' + domain);
  return whole ? std::move(*whole) : given;
}

net::task<void> session::on_rcpt(const smtp::path& named, const smtp::rcpt_parameters& given) {
  // No copy of what is whole already.
  const bool is_bare = named.domain().empty();
  smtp::path completed;
  if (is_bare) completed = qualified(named, true);
  const auto& recipient = is_bare ? completed : named;
  if (transaction_.envelope.forward_paths.size() >= profile_.recipients) {
    co_return reject("RCPT", reply_id::too_many_recipients, {}, &recipient);
  }
  if (recipient.domain().empty() && !iequals(recipient.local_part(), "postmaster")) {
    const auto shown = recipient.text();
    co_return reject("RCPT", reply_id::recipient_name_not_allowed, shown, &recipient);
  }
  if (!context_.access.may_relay(is_permitted(), recipient)) {
    const auto shown = recipient.text();
    co_return reject("RCPT", reply_id::relay_denied, shown, &recipient);
  }
  // The relay itself sees no route in it, but a next hop might: strangers do not travel that way
  // through us (threats: open relay).
  if (!is_permitted() && policy::looks_routed(recipient)) {
    const auto shown = recipient.text();
    co_return reject("RCPT", reply_id::routed_address, shown, &recipient);
  }
  if (context_.keeper.asks_at_rcpt(facts_)) {
    // Behind the question the event's views are gone.
    const auto asked_for = recipient;
    const auto options = given;
    const auto asked =
        co_await context_.keeper.at_rcpt(facts_, transaction_.envelope.reverse_path, asked_for);
    if (asked.is_refusal()) {
      co_return reject("RCPT", *asked.refusal, asked.argument, &asked_for, asked.rule);
    }
    add_recipient(asked_for, options);
  } else {
    add_recipient(recipient, given);
  }
  protocol_.reply(reply_id::recipient_ok);
}

/// A recipient named twice gets the message once.
void session::add_recipient(const smtp::path& recipient, const smtp::rcpt_parameters& given) {
  auto& e = transaction_.envelope;
  if (std::ranges::find(e.forward_paths, recipient) != e.forward_paths.end()) return;
  e.forward_paths.push_back(recipient);
  smtp::recipient_options options{given.notify, given.original_recipient};
  if (options.is_default() && e.recipient_options.empty()) return;
  e.recipient_options.resize(e.forward_paths.size());
  e.recipient_options.back() = std::move(options);
}

}  // namespace relais::inbound
