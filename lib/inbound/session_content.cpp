// From DATA or the first BDAT to the 250: the trace header, the content on its way into the spool,
// and the promise at its end. RFC 5321 4.1.1.4, 4.4; RFC 6409 8 for submissions.
#include <algorithm>

#include "base/error.hpp"
#include "inbound/session.hpp"
#include "message/submission.hpp"
#include "message/trace.hpp"

namespace relais::inbound {
namespace {

using smtp::reply_id;

// Content comes in large reads, as far as there is memory. The large buffer is given back when
// content ends. What was read is in memory up to three times: as read, not consumed yet, decoded.
constexpr std::size_t content_read_most = 64 * 1024;
constexpr std::size_t content_read_under_pressure = 16 * 1024;
constexpr std::uint64_t copies_of_read = 3;

}  // namespace

std::string session::trace_header() const {
  const auto& t = transaction_;
  const auto client_address = client_.address.text();
  const auto only_recipient = t.envelope.forward_paths.size() == 1
                                  ? t.envelope.forward_paths.front().text()
                                  : std::string();
  const auto tls = stream_->tls_description();
  message::trace trace;
  trace.hello = protocol_.hello();
  trace.client_name = facts_.name;
  trace.client_address = client_address;
  trace.hide_client = profile_.hide_client;
  trace.tls = tls;
  trace.by = context_.settings.hostname;
  trace.protocol = protocol_word();
  trace.for_recipient = only_recipient;
  trace.id = t.id;
  trace.arrival = t.arrival;
  return message::received_header(trace);
}

void session::on_data() {
  auto& t = transaction_;
  t.arrival = context_.world.clock.wall();
  t.id = context_.ids.next(t.arrival);
  const auto& limits = context_.settings.limits;
  pace_ = content_pace(limits.data_rate.bytes, limits.data_rate_grace);
  pause_pace_ = content_pace(limits.data_rate.bytes, context_.settings.server_timeout.command);
  content_limits bounds;
  bounds.inline_max = context_.settings.spool.inline_max.bytes;
  bounds.header_size = limits.header_size.bytes;
  t.content = std::make_unique<incoming_content>(bounds, context_.gate, context_.budget);
  if (profile_.is_submission()) complete_header_of(*t.content);
  t.content->begin(t.id, trace_header());
  choose_buffer();
  protocol_.reply(reply_id::start_data);
}

void session::complete_header_of(incoming_content& content) {
  content.complete_with([this](std::string_view header) {
    const auto& s = context_.settings.submission;
    const auto& t = transaction_;
    const auto sender = t.envelope.reverse_path.text();
    message::submission_rules rules;
    rules.domain = s.domain.empty() ? context_.settings.hostname : s.domain;
    rules.add_missing = s.add_missing;
    rules.remove_bcc = s.remove_bcc;
    rules.add_sender = s.add_sender;
    message::submission_facts facts;
    facts.id = t.id;
    facts.arrival = t.arrival;
    facts.reverse_path = sender;
    facts.user = facts_.user;
    facts.smtputf8 = t.envelope.smtputf8;
    return message::complete_header(header, rules, facts);
  });
}

// Once per content: what the protocol keeps of it does not shrink before its end.
void session::choose_buffer() {
  buffer_lease_ = queue::memory_lease(context_.budget);
  content_read_ = content_read_least;
  const auto& budget = context_.budget;
  const auto pressure = queue::pressure_of(budget);
  if (pressure != queue::memory_pressure::none && pressure != queue::memory_pressure::elevated) {
    return;
  }
  const auto wanted =
      pressure == queue::memory_pressure::none ? content_read_most : content_read_under_pressure;
  // The smallest one comes with the session; a larger one is leased, where it is a small part of
  // what is left.
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
  // Our own Received is on top already, and no hop that the message has made.
  if (header.received_fields > limits.hops + 1) return reply_id::loop_detected;
  return {};
}

net::task<void> session::accept_content(std::optional<reply_id> fault) {
  buffer_.release();
  buffer_lease_ = queue::memory_lease();
  content_read_ = content_read_least;
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
  // Declared is not needed: what is all ASCII may go where SMTPUTF8 is unknown.
  made->envelope.smtputf8 = made->envelope.smtputf8 && t.content->header().has_utf8;
  if (profile_.keeps_user) made->envelope.user = facts_.user;
  if (profile_.keeps_name) made->envelope.listener = profile_.name;
  made->large = t.content->large();
  if (!made->large) made->content = t.content->take_octets();
  std::shared_ptr<const spool::message> durable = made;
  std::vector<spool::state_change> nothing_else;
  const auto error = co_await context_.gate.append(durable, std::move(nothing_else));
  if (error) {
    not_queued(made->id, error);
    transaction_.envelope.reverse_path = made->envelope.reverse_path;
    transaction_.has_sender = true;
    const auto reply =
        error == errc::no_space ? reply_id::no_storage : reply_id::queue_write_failed;
    reject("END-OF-MESSAGE", reply, {}, nullptr);
    transaction_ = transaction{};
    co_return;
  }
  ++messages_;
  log_accepted(*made, t.content->header().message_id);
  const auto id = made->id.text();
  // While memory is scarce, what waits is read back from the spool rather than held.
  auto lease = t.content->take_lease();
  if (queue::pressure_of(context_.budget) != queue::memory_pressure::none) {
    lease = queue::memory_lease();
  }
  context_.enqueue(queue::make_queued(std::move(durable), std::move(lease)));
  co_await give_way();
  protocol_.reply(reply_id::queued, id);
}

/// A worker that has more to do than it can serves hundreds of clients between two steps of a
/// delivery, and mail piles up. Then clients wait a little longer, and what was taken goes out.
net::task<void> session::give_way() {
  constexpr duration busy = std::chrono::milliseconds(2);
  constexpr duration longest = std::chrono::milliseconds(100);
  const auto lag = context_.gate.lag();
  // In units of what may pile up before anybody waits.
  const auto heap = context_.budget.used() / (context_.budget.limit() / 32 + 1);
  if (lag < busy || heap == 0 || draining_) co_return;
  const auto pause = std::min<duration>(4 * static_cast<duration::rep>(heap) * lag, longest);
  co_await net::sleep_for(context_.world, pause);
}

void session::not_queued(queue_id id, error_code why) {
  const auto sentence = id.text() + ": not queued: " + why.message();
  context_.events.emit(events::notice{"cleanup", true, sentence});
}

}  // namespace relais::inbound
