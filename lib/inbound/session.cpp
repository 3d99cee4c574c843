#include "inbound/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "message/trace.hpp"

namespace relais::inbound {
namespace {

using smtp::reply_id;
using smtp::server_event_kind;

constexpr std::string_view unverified_name = "unknown";
// Commands are short; content comes in large reads, as far as there is memory. The large buffer is
// given back when content ends. What was read is in memory up to three times: as read, not consumed
// yet, decoded.
constexpr std::size_t command_read = 4 * 1024;
constexpr std::size_t content_read = 64 * 1024;
constexpr std::size_t content_read_under_pressure = 16 * 1024;
constexpr std::uint64_t copies_of_read = 3;

smtp::server_options protocol_options(const config::settings& s, bool trusted) {
  smtp::server_options o;
  o.hostname = s.hostname;
  o.limits.message_size = s.limits.message_size.bytes;
  o.limits.command_line = static_cast<std::size_t>(s.limits.command_line.bytes);
  o.limits.text_line = static_cast<std::size_t>(s.limits.text_line.bytes);
  o.limits.errors = static_cast<unsigned>(s.limits.errors);
  // What bare line ends could smuggle concerns strangers; our own printers and scripts are helped.
  o.newlines = trusted ? smtp::newline_mode::normalize : smtp::newline_mode::reject;
  return o;
}

}  // namespace

session::session(const session_context& context, net::accepted_connection accepted)
    : context_(context),
      client_(accepted.remote),
      stream_(std::move(accepted.connection), context.world),
      trusted_(context.access.is_trusted(accepted.remote.address)),
      protocol_(protocol_options(context.settings, trusted_)) {}

net::task<void> session::serve(std::optional<reply_id> refusal) {
  context_.events.emit(events::connected{unverified_name, client_});
  protocol_.greet(refusal);
  for (;;) {
    const auto e = protocol_.next();
    switch (e.kind) {
      case server_event_kind::need_input:
        if (!co_await flush()) co_return co_await end();
        leave_if_draining();
        if (!closing_ && !co_await fill()) co_return co_await end();
        break;
      case server_event_kind::mail: on_mail(e); break;
      case server_event_kind::rcpt: on_rcpt(e); break;
      case server_event_kind::data: on_data(); break;
      case server_event_kind::content: {
        // Nothing more is read from the client while its content is written to disk.
        const auto octets = e.text;
        auto& content = *transaction_.content;
        if (!content.absorb(octets)) co_await content.spill(octets);
        break;
      }
      case server_event_kind::end_of_data: {
        const auto fault = e.content_fault;
        co_await accept_content(fault);
        break;
      }
      case server_event_kind::hello: break;
      case server_event_kind::reset: transaction_ = transaction{}; break;
      case server_event_kind::quit:
      case server_event_kind::fatal: co_await flush(); co_return co_await end();
    }
  }
}

void session::drain() noexcept {
  draining_ = true;
  stream_.interrupt();
}

void session::leave_if_draining() {
  if (!draining_ || closing_ || !protocol_.at_command_boundary()) return;
  closing_ = true;
  protocol_.close_with(reply_id::draining);
}

net::task<bool> session::flush() {
  while (!protocol_.output().empty()) {
    const auto octets = protocol_.output();
    stream_.expires_after(context_.settings.server_timeout.write);
    armed_at_.reset();
    if (const auto ec = co_await stream_.write(octets)) {
      lost(ec == errc::timeout ? "timeout" : "lost connection");
      co_return false;
    }
    protocol_.output_written(octets.size());
  }
  co_return true;
}

net::task<bool> session::fill() {
  const auto& limits = context_.settings.server_timeout;
  const bool content = protocol_.in_content();
  const auto wanted = content ? content_read_ : command_read;
  if (buffer_.size() != wanted) buffer_ = std::string(wanted, '\0');
  // One deadline for a whole command: octets that drip in do not prolong it.
  if (content || armed_at_ != commands()) {
    stream_.expires_after(content ? limits.data : limits.command);
    armed_at_ = commands();
  }
  const auto target = net::asio::buffer(buffer_);
  const auto got = co_await stream_.read_some(target);
  if (got) {
    protocol_.receive(std::string_view(buffer_).substr(0, *got));
    co_return true;
  }
  if (got.error() == errc::cancelled && draining_)
    co_return true;  // serve() looks whether to leave
  if (got.error() == errc::timeout) {
    lost("timeout");
    protocol_.close_with(reply_id::idle_timeout);
    closing_ = true;
    co_return true;
  }
  lost("lost connection");
  co_return false;
}

net::task<void> session::end() {
  const auto counts = counts_text();
  context_.events.emit(events::disconnected{unverified_name, client_, counts});
  co_await stream_.close();
}

void session::lost(const char* how) {
  const auto octets = protocol_.in_content() ? protocol_.content_octets() : 0;
  context_.events.emit(
      events::connection_lost{unverified_name, client_, how, protocol_.last_command(), octets});
}

void session::on_mail(const smtp::server_event& e) {
  transaction_ = transaction{};
  transaction_.envelope.reverse_path = *e.address;
  if (draining_) return protocol_.reply(reply_id::draining);
  if (messages_ >= context_.settings.limits.messages_per_connection) {
    return reject("MAIL", reply_id::too_many_messages, {}, nullptr);
  }
  switch (context_.gate.has_room(e.declared_size)) {
    case spool::health::good: break;
    case spool::health::full:
      return reject("MAIL",
                    context_.gate.has_room(0) == spool::health::good ? reply_id::no_storage_for_size
                                                                     : reply_id::no_storage,
                    {}, nullptr);
    case spool::health::critical:
      return reject("MAIL", reply_id::storage_exhausted, context_.settings.hostname, nullptr);
    case spool::health::failed: return reject("MAIL", reply_id::queue_write_failed, {}, nullptr);
  }
  transaction_.envelope.body = e.body;
  transaction_.envelope.smtputf8 = e.smtputf8;
  protocol_.reply(reply_id::sender_ok);
}

void session::on_rcpt(const smtp::server_event& e) {
  auto& paths = transaction_.envelope.forward_paths;
  if (paths.size() >= context_.settings.limits.recipients) {
    return reject("RCPT", reply_id::too_many_recipients, {}, e.address);
  }
  if (!context_.access.may_relay(trusted_, *e.address)) {
    const auto shown = e.address->text();
    return reject("RCPT", reply_id::relay_denied, shown, e.address);
  }
  // A recipient named twice gets the message once.
  if (std::ranges::find(paths, *e.address) == paths.end()) paths.push_back(*e.address);
  protocol_.reply(reply_id::recipient_ok);
}

void session::on_data() {
  auto& t = transaction_;
  t.arrival = context_.world.clock.wall();
  t.id = context_.ids.next(t.arrival);
  const auto client_address = client_.address.text();
  const auto only_recipient = t.envelope.forward_paths.size() == 1
                                  ? t.envelope.forward_paths.front().text()
                                  : std::string();
  message::trace trace;
  trace.hello = protocol_.hello();
  trace.client_name = unverified_name;
  trace.client_address = client_address;
  trace.by = context_.settings.hostname;
  trace.protocol = protocol_.greeted_with_ehlo() ? "ESMTP" : "SMTP";
  trace.for_recipient = only_recipient;
  trace.id = t.id;
  trace.arrival = t.arrival;
  content_limits limits;
  limits.inline_max = context_.settings.spool.inline_max.bytes;
  limits.header_size = context_.settings.limits.header_size.bytes;
  t.content = std::make_unique<incoming_content>(limits, context_.gate, context_.budget);
  t.content->begin(t.id, message::received_header(trace));
  choose_buffer();
  protocol_.reply(reply_id::start_data);
}

// Once per content: what the protocol keeps of it does not shrink before its end.
void session::choose_buffer() {
  buffer_lease_ = queue::memory_lease(context_.budget);
  content_read_ = command_read;
  const auto& budget = context_.budget;
  const auto pressure = queue::pressure_of(budget);
  if (pressure != queue::memory_pressure::none && pressure != queue::memory_pressure::elevated) {
    return;
  }
  const auto wanted =
      pressure == queue::memory_pressure::none ? content_read : content_read_under_pressure;
  // The smallest one comes with the session, as that for commands; a larger one is leased, where it
  // is a small part of what is left.
  const auto whole = copies_of_read * wanted;
  if (whole > (budget.limit() - budget.used()) / 16 || !buffer_lease_.cover(whole)) return;
  content_read_ = wanted;
}

std::optional<reply_id> session::content_fault() const {
  auto& content = *transaction_.content;
  if (content.fault()) return content.fault();
  const auto& limits = context_.settings.limits;
  const auto& header = content.header();
  if (header.length > limits.header_size.bytes) return reply_id::header_too_large;
  // Our own Received is not a hop that the message has made already.
  if (header.received_fields > limits.hops) return reply_id::loop_detected;
  return {};
}

net::task<void> session::accept_content(std::optional<reply_id> fault) {
  std::string().swap(buffer_);
  buffer_lease_ = queue::memory_lease();
  if (!fault) fault = content_fault();
  if (!fault) {
    co_await transaction_.content->finish();
    // The last part may have been that of the header.
    fault = content_fault();
  }
  if (fault) {
    if (const auto why = transaction_.content->disk_error()) not_queued(transaction_.id, why);
    reject("END-OF-MESSAGE", *fault, {}, nullptr);
    transaction_ = transaction{};
    co_return;
  }
  auto t = std::move(transaction_);
  transaction_ = transaction{};
  co_await append(std::move(t));
}

net::task<void> session::append(transaction t) {
  const auto made = std::make_shared<spool::message>();
  made->id = t.id;
  made->arrival = t.arrival;
  made->envelope = std::move(t.envelope);
  made->large = t.content->large();
  if (!made->large) made->content = t.content->take_octets();
  std::shared_ptr<const spool::message> durable = made;
  std::vector<spool::state_change> nothing_else;
  const auto error = co_await context_.gate.append(durable, std::move(nothing_else));
  if (error) {
    not_queued(made->id, error);
    reject("END-OF-MESSAGE",
           error == errc::no_space ? reply_id::no_storage : reply_id::queue_write_failed, {},
           nullptr);
    co_return;
  }
  ++messages_;
  const auto sender = made->envelope.reverse_path.text();
  events::accepted done;
  done.id = made->id;
  done.client_name = unverified_name;
  done.client = client_;
  done.message_id = t.content->header().message_id;
  done.reverse_path = sender;
  done.size = made->content_size();
  done.recipients = made->envelope.forward_paths.size();
  context_.events.emit(done);
  const auto id = made->id.text();
  auto queued = queue::make_queued(std::move(durable), t.content->take_lease());
  // While memory is scarce, what waits is read back from the spool rather than held.
  if (queue::pressure_of(context_.budget) != queue::memory_pressure::none) {
    queued->release_content();
  }
  context_.enqueue(std::move(queued));
  protocol_.reply(reply_id::queued, id);
}

void session::not_queued(queue_id id, error_code why) {
  const auto sentence = id.text() + ": not queued: " + why.message();
  context_.events.emit(events::notice{"cleanup", true, sentence});
}

void session::reject(std::string_view command, reply_id id, std::string_view argument,
                     const smtp::path* forward_path) {
  std::string text;
  smtp::append_reply(text, id, true, argument);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const auto sender = transaction_.envelope.reverse_path.text();
  const auto recipient = forward_path != nullptr ? forward_path->text() : std::string();
  events::rejected e;
  e.command = command;
  e.client_name = unverified_name;
  e.client = client_;
  e.reply = text;
  e.reverse_path = sender;
  e.forward_path = recipient;
  e.has_forward_path = forward_path != nullptr;
  e.protocol = protocol_.greeted_with_ehlo() ? "ESMTP" : "SMTP";
  e.hello = protocol_.hello();
  context_.events.emit(e);
  protocol_.reply(id, argument);
}

std::uint32_t session::commands() const noexcept {
  const auto& c = protocol_.counts();
  return c.ehlo.total + c.helo.total + c.mail.total + c.rcpt.total + c.data.total + c.rset.total +
         c.noop.total + c.quit.total + c.vrfy.total + c.help.total + c.unknown.total;
}

std::string session::counts_text() const {
  const auto& c = protocol_.counts();
  std::string text;
  unsigned ok = 0, total = 0;
  const auto add = [&](const char* name, const smtp::command_counts::pair& p) {
    ok += p.ok;
    total += p.total;
    if (p.total == 0) return;
    text += p.ok == p.total ? fmt::format("{}={} ", name, p.total)
                            : fmt::format("{}={}/{} ", name, p.ok, p.total);
  };
  add("ehlo", c.ehlo);
  add("helo", c.helo);
  add("mail", c.mail);
  add("rcpt", c.rcpt);
  add("data", c.data);
  add("rset", c.rset);
  add("noop", c.noop);
  add("vrfy", c.vrfy);
  add("help", c.help);
  add("quit", c.quit);
  add("unknown", c.unknown);
  text +=
      ok == total ? fmt::format("commands={}", total) : fmt::format("commands={}/{}", ok, total);
  return text;
}

}  // namespace relais::inbound
