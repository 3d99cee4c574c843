// The loop of a session, and its reading and writing: deadlines, budgets, the end.
#include "inbound/session.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace relais::inbound {
namespace {

using smtp::reply_id;
using smtp::server_event_kind;

// Commands are short, and an idle session shall not cost much.
constexpr std::size_t command_read = 2 * 1024;

smtp::server_options protocol_options(const session_context& context,
                                      const listener_profile& profile, const client_facts& client) {
  const auto& limits = context.settings.limits;
  smtp::server_options o;
  o.hostname = context.settings.hostname;
  o.limits.message_size = profile.message_size;
  o.limits.recipients = profile.recipients;
  o.limits.messages = limits.messages_per_connection;
  o.limits.command_line = static_cast<std::size_t>(limits.command_line.bytes);
  o.limits.text_line = static_cast<std::size_t>(limits.text_line.bytes);
  o.limits.errors = static_cast<unsigned>(limits.errors);
  o.limits.junk_commands = static_cast<unsigned>(limits.junk_commands);
  o.extensions = offered_to(client.address, context.settings.policy, profile);
  if (o.extensions.has(smtp::extension::future_release)) {
    const auto longest =
        std::chrono::floor<std::chrono::seconds>(context.settings.submission.longest_hold);
    o.limits.hold_seconds = static_cast<std::uint32_t>(longest.count());
    o.limits.hold_until = context.world.clock.wall() + longest;
  }
  // What bare line ends could smuggle concerns strangers; our own printers and scripts are helped.
  const bool helped = profile.newlines == config::newline_choice::automatic
                          ? client.is_trusted
                          : profile.newlines == config::newline_choice::normalize;
  o.newlines = helped ? smtp::newline_mode::normalize : smtp::newline_mode::reject;
  o.tls = profile.tls;
  o.auth_required = profile.require_auth;
  o.legacy_auth_line = context.settings.auth.legacy_line;
  o.bare_names_allowed = profile.is_submission() || client.is_trusted;
  o.texts = &context.texts;
  return o;
}

client_facts facts_of(const ip_address& address, const listener_profile& profile) {
  client_facts facts;
  facts.address = address;
  facts.is_trusted = profile.trusts(address);
  return facts;
}

}  // namespace

smtp::extension_set offered_to(const ip_address& client, const config::policy_settings& policy,
                               const listener_profile& profile) {
  auto offered = profile.extensions;
  if (is_in_any(client, policy.xclient_networks)) offered.add(smtp::extension::xclient);
  if (is_in_any(client, policy.xforward_networks)) offered.add(smtp::extension::xforward);
  return offered;
}

session::session(const session_context& context, const listener_profile& profile,
                 std::unique_ptr<net::stream> connection, const endpoint& client)
    : context_(context),
      profile_(profile),
      client_(client),
      facts_(facts_of(client.address, profile)),
      stream_(std::move(connection)),
      protocol_(protocol_options(context, profile, facts_)),
      pace_(context.settings.limits.data_rate.bytes, context.settings.limits.data_rate_grace),
      pause_pace_(pace_) {
  channel_.client = client.address;
}

net::task<void> session::serve(std::optional<reply_id> refusal) {
  if (!co_await begin(refusal)) co_return co_await end();
  for (;;) {
    const auto e = protocol_.next();
    if (e.kind == server_event_kind::need_input) {
      co_await tarpit();
      if (!co_await flush()) co_return co_await end();
      leave_if_draining();
      if (!closing_ && !co_await fill()) co_return co_await end();
      continue;
    }
    if (e.kind == server_event_kind::content) {
      // Nothing more is read from the client while its content is written to disk.
      const auto octets = e.text;
      auto& content = *transaction_.content;
      if (!content.absorb(octets)) co_await content.spill(octets);
      continue;
    }
    if (co_await handle(e) == goes_on::no) co_return co_await end();
  }
}

net::task<session::goes_on> session::handle(smtp::server_event e) {
  switch (e.kind) {
    case server_event_kind::hello: facts_.hello = protocol_.hello(); break;
    case server_event_kind::mail: co_await on_mail(*e.address, *e.mail); break;
    case server_event_kind::rcpt: co_await on_rcpt(*e.address, *e.rcpt); break;
    case server_event_kind::data: on_data(); break;
    case server_event_kind::end_of_data:
      co_await accept_content(e.content_fault);
      forget_origin();
      break;
    case server_event_kind::reset:
      transaction_ = transaction{};
      content_read_ = content_read_least;
      buffer_.release();
      buffer_lease_ = queue::memory_lease();
      forget_origin();
      break;
    case server_event_kind::starttls: co_return co_await on_starttls();
    case server_event_kind::auth: co_await on_auth(e.text, e.response); break;
    case server_event_kind::auth_response: {
      std::optional<std::string> response(*e.response);
      co_await advance_login(std::move(response));
      break;
    }
    case server_event_kind::auth_cancelled: on_auth_cancelled(); break;
    case server_event_kind::xclient: co_await on_xclient(e.attributes); break;
    case server_event_kind::xforward: on_xforward(e.attributes); break;
    case server_event_kind::quit:
    case server_event_kind::fatal: co_await flush(); co_return goes_on::no;
    case server_event_kind::need_input:
    case server_event_kind::content: break;
  }
  co_return goes_on::yes;
}

void session::drain() noexcept {
  draining_ = true;
  stream_->interrupt();
}

void session::leave_if_draining() {
  if (!draining_ || closing_ || !protocol_.at_command_boundary()) return;
  closing_ = true;
  protocol_.close_with(reply_id::draining);
}

void session::forget_origin() noexcept {
  origin_name_.clear();
  origin_address_.clear();
}

/// Who keeps making mistakes is answered late: guessing becomes expensive, a tired script does not
/// notice.
net::task<void> session::tarpit() {
  const auto errors = protocol_.errors();
  const bool is_new = errors > errors_seen_;
  errors_seen_ = errors;
  const auto& limits = context_.settings.limits;
  if (!is_new || errors <= limits.soft_errors || draining_) co_return;
  co_await net::sleep_for(context_.world, limits.error_delay);
}

net::task<bool> session::flush() {
  while (!protocol_.output().empty()) {
    const auto octets = protocol_.output();
    stream_->expires_after(context_.settings.server_timeout.write);
    armed_at_.reset();
    if (const auto ec = co_await stream_->write(octets)) {
      lost(ec == errc::timeout ? "timeout" : "lost connection");
      co_return false;
    }
    protocol_.output_written(octets.size());
  }
  co_return true;
}

/// Strangers get less time when connections run out.
duration session::command_patience() const noexcept {
  const auto& limits = context_.settings.server_timeout;
  const auto most = context_.settings.limits.connections;
  const bool is_stressed = context_.connections.load(std::memory_order_relaxed) > most / 10 * 9;
  return is_stressed && !facts_.is_exempt() ? std::min(limits.stressed, limits.command)
                                            : limits.command;
}

net::task<bool> session::fill() {
  if (protocol_.in_content()) co_return co_await fill_content();
  buffer_.resize(command_read);
  // One deadline for a whole command: octets that drip in do not prolong it. Between chunks of one
  // message there is one for all of them together, earned by what they bring.
  const auto& clock = context_.world.clock;
  const auto before = clock.now();
  const auto commands = total_of(protocol_.counts());
  if (armed_at_ != commands) {
    const auto patience = command_patience();
    stream_->expires_after(transaction_.content ? pause_pace_.patience(patience) : patience);
    armed_at_ = commands;
  }
  const auto target = net::asio::buffer(buffer_.data(), buffer_.size());
  const auto got = co_await stream_->read_some(target);
  if (!got) co_return failed_read(got.error());
  if (transaction_.content) pause_pace_.received(0, clock.now() - before);
  protocol_.receive(std::string_view(buffer_.data(), *got));
  co_return true;
}

net::task<bool> session::fill_content() {
  buffer_.resize(content_read_);
  const auto& clock = context_.world.clock;
  const auto before = clock.now();
  stream_->expires_after(pace_.patience(context_.settings.server_timeout.data));
  armed_at_.reset();
  const auto target = net::asio::buffer(buffer_.data(), buffer_.size());
  const auto got = co_await stream_->read_some(target);
  if (!got) co_return failed_read(got.error());
  pace_.received(*got, clock.now() - before);
  pause_pace_.received(*got, duration{0});
  protocol_.receive(std::string_view(buffer_.data(), *got));
  co_return true;
}

/// Whether the session goes on in spite of it: with a last word, or after an interruption.
bool session::failed_read(error_code why) {
  // serve() looks whether to leave.
  if (why == errc::cancelled && draining_) return true;
  if (why == errc::timeout) {
    lost("timeout");
    protocol_.close_with(reply_id::idle_timeout);
    closing_ = true;
    return true;
  }
  lost("lost connection");
  return false;
}

net::task<void> session::end() {
  const auto counts = text_of(protocol_.counts());
  context_.events.emit(events::disconnected{facts_.name, client_, counts});
  co_await stream_->close();
}

}  // namespace relais::inbound
