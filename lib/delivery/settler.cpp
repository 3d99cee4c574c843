#include "delivery/settler.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "message/delivery_report.hpp"

namespace relais::delivery {
namespace {

double seconds(duration d) {
  return std::max(0.0, std::chrono::duration<double>(d).count());
}

// What the spool keeps of a remote text; the log has it whole.
constexpr std::size_t diagnostic_limit = 300;

// As much as is read of a message for a report that returns its header.
constexpr std::uint64_t header_limit = 256 * 1024;
// A larger message is not returned as a whole, whatever RET says: a report is made in memory, where
// it is there as read, as a part, and as the whole of it.
constexpr std::uint64_t return_limit = 1024 * 1024;
constexpr std::uint64_t copies_of_returned = 3;

// The disk is full or failing.
constexpr auto wait_after_failed_report = std::chrono::minutes(5);

std::string random_boundary(random& rng) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "=_relais_";
  for (int i = 0; i < 24; ++i) text += digits[rng.below(16)];
  return text;
}

}  // namespace

// What is to be done, decided before anything is written.
struct settler::plan {
  wall_time now;
  wall_time next_attempt;
  spool::state_change change;
  std::vector<std::size_t> deferred;  // indexes into the verdicts
  std::vector<std::size_t> bounced;
  std::vector<std::size_t> reported;  // what the sender is told: failed, or relayed
  bool expired = false;
};

settler::settler(const net::runtime& world, std::string hostname,
                 const policy::retry_schedule& schedule, queue::scheduler& scheduler,
                 queue::spool_gate& gate, queue_id_source& ids, queue::memory_budget& budget,
                 event_sink& events)
    : world_(world),
      hostname_(std::move(hostname)),
      schedule_(schedule),
      scheduler_(scheduler),
      gate_(gate),
      ids_(ids),
      budget_(budget),
      events_(events) {}

net::task<void> settler::settle(queue::destination& to, queue::delivery_job job,
                                std::vector<verdict> verdicts, const attempt& how) {
  emit_attempts(job, verdicts, how);
  auto& message = *job.message;
  plan p;
  judge(job, verdicts, how, p);
  if (p.expired) {
    const auto sender = message.envelope->reverse_path.text();
    events_.emit(events::expired{message.id, sender});
  }
  bool stored = false;
  if (!p.bounced.empty() && message.is_report()) {
    events_.emit(
        events::notice{"bounce", true,
                       "the report " + message.id.text() +
                           " cannot be delivered and is dropped: no report about a report"});
  } else if (!p.reported.empty()) {
    stored = co_await report(job, verdicts, how, p);
  }
  for (auto& entry : p.change.entries) message.recipients[entry.recipient] = entry.state;
  if (!stored && !p.change.entries.empty()) gate_.settle(std::move(p.change));
  if (!p.deferred.empty()) {
    message.release_content();
    queue::delivery_job again;
    again.message = job.message;
    for (const auto i : p.deferred) again.recipients.push_back(job.recipients[i]);
    scheduler_.postpone(to, std::move(again), scheduler_.due_at(p.next_attempt));
  }
  if (message.is_done()) {
    message.release_content();
    events_.emit(events::removed{message.id});
  }
}

/// RFC 3461 5.2.2, 5.2.6. Where the peer has DSN, success is its to tell.
bool settler::wants_report(const queue::queued_message& message, std::size_t recipient,
                           const verdict& v, const attempt& how) noexcept {
  if (message.is_report()) return false;
  const auto& asked = message.envelope->options_of(recipient).notify;
  switch (v.what) {
    case outcome::delivered: return asked.success && !how.peer_reports;
    case outcome::bounced: return !asked.is_specified() || asked.failure;
    case outcome::deferred: break;
  }
  return false;
}

void settler::judge(const queue::delivery_job& job, std::vector<verdict>& verdicts,
                    const attempt& how, plan& p) {
  const auto& message = *job.message;
  p.now = world_.clock.wall();
  p.change.id = message.id;
  std::uint32_t attempts = 0;
  for (const auto r : job.recipients) attempts = std::max(attempts, message.recipients[r].attempts);
  ++attempts;
  // After a jump of the clock every message gets another attempt before its age may end it.
  const auto grace = 2 * *std::ranges::max_element(schedule_.intervals);
  const bool ages_count = clock_jump_.may_expire(world_.clock.now(), p.now, grace);
  // FUTURERELEASE: the life in the queue begins when it may be delivered (RFC 4865 5).
  const auto born = std::max(message.arrival, message.envelope->hold_until.value_or(wall_time{}));
  const auto counted_from = ages_count ? born : p.now;
  p.next_attempt = policy::next_attempt(schedule_, attempts, counted_from, p.now,
                                        message.is_report(), world_.random);
  bool over = policy::is_expired(schedule_, counted_from, p.now, message.is_report());
  if (const auto& by = message.envelope->by; by && by->is_return) {
    over = over || p.now >= by->at;
    p.next_attempt = std::max(p.now, std::min(p.next_attempt, by->at));
  }
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto& v = verdicts[i];
    spool::state_change::entry entry;
    entry.recipient = static_cast<std::uint32_t>(job.recipients[i]);
    entry.state.attempts = attempts;
    entry.state.diagnostic = v.reason.substr(0, diagnostic_limit);
    if (v.what == outcome::deferred && over) {
      p.expired = true;
      v.what = outcome::bounced;
      v.status = "5.4.7";
    }
    switch (v.what) {
      case outcome::delivered: entry.state.status = spool::recipient_status::delivered; break;
      case outcome::bounced:
        entry.state.status = spool::recipient_status::bounced;
        p.bounced.push_back(i);
        break;
      case outcome::deferred:
        entry.state.next_attempt = p.next_attempt;
        p.deferred.push_back(i);
        break;
    }
    if (wants_report(message, job.recipients[i], v, how)) p.reported.push_back(i);
    p.change.entries.push_back(std::move(entry));
  }
}

void settler::emit_attempts(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                            const attempt& how) {
  const auto now = world_.clock.now();
  const auto& message = *job.message;
  events::delays took;
  took.in_queue = seconds(how.began - job.ready_since);
  took.connecting = seconds(how.connected - how.began);
  took.sending = seconds(now - how.connected);
  const auto age =
      seconds(std::chrono::duration_cast<duration>(world_.clock.wall() - message.arrival));
  took.before_queue = std::max(0.0, age - took.in_queue - took.connecting - took.sending);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const auto& v = verdicts[i];
    const auto to = message.envelope->forward_paths[job.recipients[i]].text();
    events::attempted e;
    e.id = message.id;
    e.forward_path = to;
    e.next_hop = how.relay;
    e.connection_use = how.connection_use;
    e.took = took;
    e.tls = how.tls;
    e.dsn = v.status;
    e.status = v.what == outcome::delivered  ? "sent"
               : v.what == outcome::deferred ? "deferred"
                                             : "bounced";
    e.reason = v.reason;
    events_.emit(e);
  }
}

net::task<bool> settler::report(const queue::delivery_job& job,
                                const std::vector<verdict>& verdicts, const attempt& how, plan& p) {
  const auto& message = *job.message;
  const auto held = message.content;
  std::string read;
  queue::memory_lease reading(budget_);
  const auto most = message.envelope->ret == smtp::dsn_return::full ? return_limit : header_limit;
  if (!held) read = co_await read_original(message, most, reading);
  const auto made = std::make_shared<spool::message>();
  made->id = ids_.next(p.now);
  made->arrival = p.now;
  made->envelope.forward_paths.push_back(message.envelope->reverse_path);
  const std::string_view original = held ? held->content : read;
  made->content = make_report(message, verdicts, how, p, job, original, made->id);
  const bool eight_bit = std::ranges::any_of(made->content, [](char c) { return (c & 0x80) != 0; });
  if (eight_bit) made->envelope.body = smtp::body_type::eight_bit_mime;
  made->envelope.smtputf8 = message.envelope->reverse_path.needs_smtputf8();
  std::shared_ptr<const spool::message> durable = made;
  std::vector<spool::state_change> together{p.change};
  const auto error = co_await gate_.append(durable, std::move(together));
  if (error) {
    // No report, so nobody would know: who failed stays, and the attempt is repeated. Who was
    // delivered is not: a success is told once or never.
    events_.emit(events::notice{"bounce", true,
                                message.id.text() + ": the report could not be stored (" +
                                    error.message() + "), failed recipients stay deferred"});
    // Not at once: the next attempt of a message whose time is over would be now, again and again.
    p.next_attempt = std::max(p.next_attempt, p.now + wait_after_failed_report);
    for (const auto i : p.reported) {
      if (verdicts[i].what != outcome::bounced) continue;
      p.change.entries[i].state.status = spool::recipient_status::pending;
      p.change.entries[i].state.next_attempt = p.next_attempt;
      p.deferred.push_back(i);
    }
    std::ranges::sort(p.deferred);
    co_return false;
  }
  if (!p.bounced.empty()) {
    events_.emit(events::bounced{message.id, made->id});
  } else {
    events_.emit(events::notice{
        "bounce", false,
        message.id.text() + ": sender delivery status notification: " + made->id.text()});
  }
  queue::memory_lease lease(budget_);
  const bool keep = lease.cover(durable->content.size());
  auto queued = queue::make_queued(std::move(durable), std::move(lease));
  if (!keep) queued->release_content();
  scheduler_.add(queued);
  co_return true;
}

net::task<std::string> settler::read_original(const queue::queued_message& message,
                                              std::uint64_t most, queue::memory_lease& lease) {
  // Without memory to spare the report goes without the original's header rather than not at all.
  if (message.size > most || !lease.cover(copies_of_returned * message.size)) {
    most = header_limit;
    if (!lease.cover(std::min(message.size, most))) co_return std::string();
  }
  if (message.size <= most) {
    auto read = co_await gate_.read(message.id);
    if (read && (*read)->content.size() == message.size) co_return (*read)->content;
  }
  auto opened = co_await gate_.open_content(message.id);
  if (!opened) co_return std::string();
  auto from = std::move(*opened);
  auto beginning = co_await gate_.next_piece(std::move(from), header_limit);
  if (!beginning) co_return std::string();
  // What is cut off in the middle of a line is no line.
  beginning->resize(beginning->rfind('\n') + 1);
  co_return std::move(*beginning);
}

std::string settler::make_report(const queue::queued_message& message,
                                 const std::vector<verdict>& verdicts, const attempt& how,
                                 const plan& p, const queue::delivery_job& job,
                                 std::string_view original, queue_id id) {
  message::report_request request;
  request.reporting_mta = hostname_;
  request.boundary = random_boundary(world_.random);
  request.original_id = message.id;
  request.report_id = id;
  request.original_arrival = message.arrival;
  request.now = p.now;
  request.original_sender = message.envelope->reverse_path;
  request.envelope_id = message.envelope->envelope_id;
  request.original_content = original;
  // RFC 3461 4.3: RET is about failures.
  request.return_full = message.envelope->ret == smtp::dsn_return::full && !p.bounced.empty() &&
                        original.size() == message.size && message.size <= return_limit;
  for (const auto i : p.reported) {
    const auto& v = verdicts[i];
    message::reported_recipient r;
    r.address = message.envelope->forward_paths[job.recipients[i]];
    r.original_recipient = message.envelope->options_of(job.recipients[i]).original_recipient;
    if (v.what == outcome::delivered) r.action = "relayed";
    r.status = v.status;
    r.diagnostic = v.remote_replied ? v.diagnostic : v.reason;
    r.diagnostic_is_smtp = v.remote_replied;
    r.remote_mta = how.remote_mta;
    r.explanation = v.reason;
    request.recipients.push_back(std::move(r));
  }
  return message::delivery_report(request);
}

}  // namespace relais::delivery
