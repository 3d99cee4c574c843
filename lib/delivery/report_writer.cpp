#include "delivery/report_writer.hpp"

#include <algorithm>

#include "delivery/settler.hpp"
#include "message/delivery_report.hpp"
#include "message/report_text.hpp"

namespace relais::delivery {
namespace {

// As much as is read of a message for a report that returns its header.
constexpr std::uint64_t header_limit = 256 * 1024;
// A report is made in memory, where the original is there as read, as a part, and as the whole.
constexpr std::uint64_t copies_of_returned = 3;

std::string random_boundary(random& rng) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "=_relais_";
  for (int i = 0; i < 24; ++i) text += digits[rng.below(16)];
  return text;
}

/// RFC 3461 4.3: RET is about failures. A report that could not be returned is returned whole. RFC
/// 8689 5: of what has to travel under TLS only the header comes back, whatever RET says.
bool wants_whole(const queue::queued_message& original) noexcept {
  const auto& e = *original.envelope;
  return !e.require_tls && (e.ret == smtp::dsn_return::full || original.is_report());
}

message::report_action action_of(told what) noexcept {
  switch (what) {
    case told::delayed: return message::report_action::delayed;
    case told::relayed: return message::report_action::relayed;
    case told::failed:
    case told::nothing: break;
  }
  return message::report_action::failed;
}

message::reported_recipient about(const report_order& order, std::size_t position) {
  const auto& job = order.job;
  const auto& v = order.verdicts[position];
  const auto& e = *job.message->envelope;
  message::reported_recipient r;
  r.address = e.forward_paths[job.recipients[position]];
  r.original_recipient = e.options_of(job.recipients[position]).original_recipient;
  r.action = action_of(order.judged.tell[position]);
  r.status = v.status;
  r.diagnostic = v.remote_replied ? v.diagnostic : v.reason;
  r.diagnostic_is_smtp = v.remote_replied;
  r.remote_mta = order.how.remote_mta;
  r.explanation = v.reason;
  if (!order.how.is_untried) r.last_attempt = order.now;
  if (r.action == message::report_action::delayed) r.will_retry_until = order.judged.given_up_at;
  r.is_expired = order.judged.expired && v.what == outcome::bounced && v.status == "5.4.7";
  return r;
}

}  // namespace

net::task<result<queue_id>> report_writer::write(const report_order& order,
                                                 spool::state_change together_with) {
  const auto& message = *order.job.message;
  const auto held = message.content;
  std::string read;
  queue::memory_lease reading(world_.budget);
  const auto returned = world_.settings.report.returned.bytes;
  const auto most = wants_whole(message) ? std::max(returned, header_limit) : header_limit;
  if (!held) read = co_await read_original(message, most, reading);
  const auto made = std::make_shared<spool::message>();
  made->id = world_.ids.next(order.now);
  made->arrival = order.now;
  made->envelope.forward_paths.push_back(order.to);
  if (order.wait > duration::zero()) {
    made->envelope.hold_until =
        order.now + std::chrono::duration_cast<wall_time::duration>(order.wait);
  }
  const std::string_view original = held ? std::string_view(held->content) : read;
  made->content = compose(order, original, made->id);
  if (!message::is_ascii(made->content)) made->envelope.body = smtp::body_type::eight_bit_mime;
  made->envelope.smtputf8 = order.to.needs_smtputf8();
  made->envelope.require_tls = message.envelope->require_tls;
  const auto id = made->id;
  std::shared_ptr<const spool::message> durable = made;
  std::vector<spool::state_change> together;
  together.push_back(std::move(together_with));
  const auto error = co_await world_.gate.append(durable, std::move(together));
  if (error) co_return error;
  queue::memory_lease lease(world_.budget);
  lease.cover(durable->content.size());
  world_.enqueue(queue::make_queued(std::move(durable), std::move(lease)));
  co_return id;
}

net::task<std::string> report_writer::read_original(const queue::queued_message& message,
                                                    std::uint64_t most,
                                                    queue::memory_lease& lease) {
  // Without memory to spare the report goes without the original's header rather than not at all.
  if (message.size > most || !lease.cover(copies_of_returned * message.size)) {
    most = header_limit;
    if (!lease.cover(std::min(message.size, most))) co_return std::string();
  }
  if (message.size <= most) {
    auto read = co_await world_.gate.read(message.id);
    if (read && (*read)->content.size() == message.size) co_return (*read)->content;
  }
  auto opened = co_await world_.gate.open_content(message.id);
  if (!opened) co_return std::string();
  auto from = std::move(*opened);
  auto beginning = co_await world_.gate.next_piece(std::move(from), header_limit);
  if (!beginning) co_return std::string();
  // What is cut off in the middle of a line is no line.
  beginning->resize(beginning->rfind('\n') + 1);
  co_return std::move(*beginning);
}

std::string report_writer::compose(const report_order& order, std::string_view original,
                                   queue_id id) const {
  const auto& message = *order.job.message;
  const auto& e = *message.envelope;
  message::report_request request;
  request.reporting_mta = world_.settings.hostname;
  request.boundary = random_boundary(world_.world.random);
  request.original_id = message.id;
  request.report_id = id;
  request.original_arrival = message.arrival;
  request.now = order.now;
  request.to = order.to;
  request.is_double = message.is_report();
  request.smtputf8 = order.to.needs_smtputf8();
  request.envelope_id = e.envelope_id;
  request.original_content = original;
  const bool has_failed =
      std::ranges::find(order.judged.tell, told::failed) != order.judged.tell.end();
  request.return_full = has_failed && wants_whole(message) && original.size() == message.size &&
                        message.size <= world_.settings.report.returned.bytes;
  for (std::size_t i = 0; i < order.judged.tell.size(); ++i)
    if (order.judged.tell[i] != told::nothing) request.recipients.push_back(about(order, i));
  return message::delivery_report(request);
}

}  // namespace relais::delivery
