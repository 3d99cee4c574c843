#include "delivery/settler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "delivery/report_writer.hpp"
#include "policy/clock_jump.hpp"

namespace relais::delivery {
namespace {

// The disk is full or failing.
constexpr auto wait_after_failed_report = std::chrono::minutes(5);
// RFC 5321 4.5.4.1, where a schedule says nothing.
constexpr duration default_interval = std::chrono::minutes(30);
constexpr std::string_view suspended = "delivery temporarily suspended: ";

double seconds(duration d) {
  return std::max(0.0, std::chrono::duration<double>(d).count());
}

smtp::path postmaster_of(const config::settings& settings) {
  if (settings.report.postmaster.empty()) return {};
  auto parsed = smtp::parse_address(settings.report.postmaster);
  return parsed ? std::move(*parsed) : smtp::path();
}

/// After a jump of the clock every message gets another attempt before its age may end it.
duration grace_of(const policy::retry_schedule& schedule) {
  if (schedule.intervals.empty()) return 2 * default_interval;
  return 2 * *std::ranges::max_element(schedule.intervals);
}

spool::state_change change_of(const queue::delivery_job& job, const judgement& j) {
  spool::state_change change;
  change.id = job.message->id;
  for (std::size_t i = 0; i < j.states.size(); ++i) {
    spool::state_change::entry entry;
    entry.recipient = static_cast<std::uint32_t>(job.recipients[i]);
    entry.state = j.states[i];
    change.entries.push_back(std::move(entry));
  }
  return change;
}

bool tells(const judgement& j, told what) {
  return std::ranges::find(j.tell, what) != j.tell.end();
}

}  // namespace

struct settler::parts {
  explicit parts(settler_world surroundings)
      : world(std::move(surroundings)), writer(world), postmaster(postmaster_of(world.settings)) {}

  void say(bool is_warning, const std::string& text) {
    world.events.emit(events::notice{"bounce", is_warning, text});
  }
  void emit_attempts(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                     const attempt& how);
  void say_what_is_not_reported(const queue::delivery_job& job,
                                const std::vector<verdict>& verdicts, const judgement& j);
  net::task<bool> report(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                         const attempt& how, judgement& j, wall_time now);
  void say_reported(const queue::delivery_job& job, const judgement& j, queue_id report,
                    duration wait);
  void say_no_place(const queue::delivery_job& job, const std::vector<verdict>& verdicts,
                    const judgement& j, const smtp::path& to);
  void take_back(const queue::delivery_job& job, judgement& j, wall_time now);

  settler_world world;
  report_writer writer;
  smtp::path postmaster;
  policy::clock_jump jumps;
};

settler::settler(settler_world surroundings)
    : parts_(std::make_unique<parts>(std::move(surroundings))) {}

settler::~settler() = default;

net::task<remainder> settler::settle(const queue::delivery_job& job, const policy::route& way,
                                     std::vector<verdict> verdicts, const attempt& how) {
  auto& p = *parts_;
  if (how.is_untried) {
    for (auto& v : verdicts)
      if (v.what == outcome::deferred && !v.reason.starts_with(suspended))
        v.reason.insert(0, suspended);
  }
  p.emit_attempts(job, verdicts, how);
  const auto now = p.world.world.clock.wall();
  const auto grace = grace_of(way.retry);
  const bool ages_count = p.jumps.may_expire(p.world.world.clock.now(), now, grace);
  const circumstances around{job,          how, way.retry,  p.world.settings.report,
                             p.postmaster, now, ages_count, grace};
  auto j = judge(around, verdicts, p.world.world.random);
  if (j.expired) {
    const auto sender = job.message->envelope->reverse_path.text();
    p.world.events.emit(events::expired{job.message->id, sender});
  }
  p.say_what_is_not_reported(job, verdicts, j);
  const bool is_told = std::ranges::any_of(j.tell, [](told t) { return t != told::nothing; });
  bool stored = false;
  if (is_told) stored = co_await p.report(job, verdicts, how, j, now);
  if (!stored && j.is_new) p.world.gate.settle(change_of(job, j));
  remainder rest;
  rest.next_attempt = j.next_attempt;
  rest.attempts = j.attempts;
  rest.warnings = j.warnings;
  for (const auto position : j.deferred) rest.recipients.push_back(job.recipients[position]);
  co_return rest;
}

void settler::parts::emit_attempts(const queue::delivery_job& job,
                                   const std::vector<verdict>& verdicts, const attempt& how) {
  const auto now = world.world.clock.now();
  const auto& message = *job.message;
  const auto began = how.began == steady_time{} ? now : how.began;
  const auto connected = how.connected == steady_time{} ? now : how.connected;
  events::delays took;
  took.in_queue = seconds(began - job.ready_since);
  took.connecting = seconds(connected - began);
  took.sending = seconds(now - connected);
  const auto age =
      seconds(std::chrono::duration_cast<duration>(world.world.clock.wall() - message.arrival));
  took.before_queue = std::max(0.0, age - took.in_queue - took.connecting - took.sending);
  std::vector<std::string> forward_paths(verdicts.size());
  std::vector<event> lines;
  lines.reserve(verdicts.size());
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const auto& v = verdicts[i];
    forward_paths[i] = message.envelope->forward_paths[job.recipients[i]].text();
    events::attempted e;
    e.id = message.id;
    e.forward_path = forward_paths[i];
    e.next_hop = how.relay;
    e.connection_use = how.connection_use;
    e.took = took;
    e.tls = how.tls;
    e.dsn = v.status;
    e.status = v.what == outcome::delivered  ? "sent"
               : v.what == outcome::deferred ? "deferred"
                                             : "bounced";
    e.reason = v.reason;
    lines.emplace_back(e);
  }
  world.events.emit_all(lines);
}

/// What nobody will be told is at least in the log, in words.
void settler::parts::say_what_is_not_reported(const queue::delivery_job& job,
                                              const std::vector<verdict>& verdicts,
                                              const judgement& j) {
  const auto& message = *job.message;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].what != outcome::bounced || j.tell[i] != told::nothing) continue;
    const auto to = message.envelope->forward_paths[job.recipients[i]].text();
    if (message.is_report()) {
      say(true, fmt::format("{}: the report to <{}> cannot be delivered and is dropped: no report "
                            "about a report",
                            message.id.text(), to));
    } else if (!world.settings.report.failed) {
      say(false, fmt::format("{}: to=<{}> failed; no report is sent: report.failed is off",
                             message.id.text(), to));
    }
  }
}

/// True: the report, and the states with it, are durable.
net::task<bool> settler::parts::report(const queue::delivery_job& job,
                                       const std::vector<verdict>& verdicts, const attempt& how,
                                       judgement& j, wall_time now) {
  const auto& to = job.message->is_report() ? postmaster : job.message->envelope->reverse_path;
  const auto address = to.text();
  const bool may_wait = tells(j, told::failed) || tells(j, told::relayed);
  const auto wait = world.reports.take(address, world.world.clock.now(), may_wait);
  if (!wait) {
    say_no_place(job, verdicts, j, to);
    co_return false;
  }
  // A delay that is told late is no news.
  if (*wait > duration::zero()) std::ranges::replace(j.tell, told::delayed, told::nothing);
  auto change = change_of(job, j);
  const report_order order{job, verdicts, how, j, to, now, *wait};
  const auto written = co_await writer.write(order, std::move(change));
  if (written) {
    say_reported(job, j, *written, *wait);
    co_return true;
  }
  world.reports.give_back(address);
  say(true, fmt::format("{}: the report could not be stored ({}), failed recipients stay deferred",
                        job.message->id.text(), written.error().message()));
  take_back(job, j, now);
  co_return false;
}

void settler::parts::say_reported(const queue::delivery_job& job, const judgement& j,
                                  queue_id report, duration wait) {
  const auto& message = *job.message;
  if (message.is_report()) {
    say(false, fmt::format("{}: postmaster notification: {}", message.id.text(), report.text()));
  } else if (tells(j, told::failed)) {
    world.events.emit(events::bounced{message.id, report});
  } else {
    say(false, fmt::format("{}: sender {} notification: {}", message.id.text(),
                           tells(j, told::relayed) ? "delivery status" : "delay", report.text()));
  }
  if (wait > duration::zero()) {
    say(true, fmt::format("{}: more than {} reports to one address (report.limit): held back for "
                          "{} s",
                          report.text(), world.settings.report.limit,
                          std::chrono::duration_cast<std::chrono::seconds>(wait).count()));
  }
}

void settler::parts::say_no_place(const queue::delivery_job& job,
                                  const std::vector<verdict>& verdicts, const judgement& j,
                                  const smtp::path& to) {
  for (std::size_t i = 0; i < j.tell.size(); ++i) {
    if (j.tell[i] == told::nothing) continue;
    const bool is_loss = j.tell[i] == told::failed;
    const auto& about = job.message->envelope->forward_paths[job.recipients[i]];
    say(is_loss, fmt::format("{}: too many reports to <{}> (report.limit): it is not told that "
                             "<{}> {}: {}",
                             job.message->id.text(), to.text(), about.text(),
                             is_loss                      ? "failed"
                             : j.tell[i] == told::delayed ? "is delayed"
                                                          : "was relayed",
                             verdicts[i].reason));
  }
}

/// No report, so nobody would know: who failed stays, and the attempt is repeated. Who was
/// delivered is not: a success is told once or never. Not at once: the next attempt of a message
/// whose time is over would be now, again and again.
void settler::parts::take_back(const queue::delivery_job& job, judgement& j, wall_time now) {
  j.next_attempt = std::max(j.next_attempt, now + wait_after_failed_report);
  j.warnings = job.warnings;
  for (std::size_t i = 0; i < j.states.size(); ++i) {
    auto& state = j.states[i];
    state.warnings = job.warnings;
    if (j.tell[i] != told::failed) continue;
    state.status = spool::recipient_status::pending;
    state.next_attempt = j.next_attempt;
    j.deferred.push_back(i);
  }
  std::ranges::sort(j.deferred);
}

}  // namespace relais::delivery
