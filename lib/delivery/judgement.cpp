#include "delivery/judgement.hpp"

#include <algorithm>
#include <limits>

namespace relais::delivery {
namespace {

// What the spool keeps of a remote text; the log has it whole.
constexpr std::size_t diagnostic_limit = 300;
// A stalled job is never looked at again at once.
constexpr duration least_look = std::chrono::seconds(1);

wall_time::duration of_wall(duration d) {
  return std::chrono::duration_cast<wall_time::duration>(d);
}

/// RFC 3461 4.1: unspecified is failure, and delay as the relay sees fit.
bool wants_delays(const smtp::dsn_notify& asked) noexcept {
  return !asked.is_specified() || asked.delay;
}

/// RFC 3461 5.2.2, 5.2.6; RFC 2852 4.2 for by->trace. Where the peer has DSN, success is its to
/// tell.
bool wants_relayed(const smtp::envelope& e, const smtp::dsn_notify& asked,
                   const attempt& how) noexcept {
  if (how.peer_reports) return false;
  return asked.success || (e.by && e.by->trace && !asked.never);
}

struct times {
  wall_time born;
  policy::retry_schedule schedule;
  std::optional<wall_time> give_up;  ///< DELIVERBY with R
};

/// FUTURERELEASE: the life in the queue begins when it may be delivered (RFC 4865 5). DELIVERBY
/// with N is one more age at which the sender is told (RFC 2852 4.1).
times times_of(const circumstances& c) {
  const auto& message = *c.job.message;
  const auto& e = *message.envelope;
  times t;
  t.schedule = c.schedule;
  t.born = c.ages_count ? std::max(message.arrival, e.hold_until.value_or(wall_time{})) : c.now;
  if (!e.by || !c.ages_count) return t;
  if (e.by->is_return) {
    t.give_up = e.by->at;
  } else {
    const duration age = std::max(wall_time::duration::zero(), e.by->at - t.born);
    auto& ages = t.schedule.warnings;
    ages.insert(std::ranges::upper_bound(ages, age), age);
  }
  return t;
}

policy::retry_reason reason_of(const std::vector<verdict>& verdicts) noexcept {
  auto why = policy::retry_reason::usual;
  for (const auto& v : verdicts)
    if (v.what == outcome::deferred) why = std::max(why, v.retry);
  return why;
}

told what_to_tell(const circumstances& c, std::size_t recipient, const verdict& v, bool is_late) {
  const auto& e = *c.job.message->envelope;
  const auto& asked = e.options_of(recipient).notify;
  if (c.job.message->is_report()) {
    // A double bounce: the postmaster's, unless it is on the way to him already.
    const bool is_for_postmaster = !c.postmaster.is_null() && v.what == outcome::bounced &&
                                   e.forward_paths[recipient] != c.postmaster;
    return is_for_postmaster ? told::failed : told::nothing;
  }
  switch (v.what) {
    case outcome::delivered: return wants_relayed(e, asked, c.how) ? told::relayed : told::nothing;
    case outcome::bounced:
      return c.report.failed && (!asked.is_specified() || asked.failure) ? told::failed
                                                                         : told::nothing;
    case outcome::deferred: break;
  }
  return is_late && wants_delays(asked) ? told::delayed : told::nothing;
}

std::uint8_t warnings_now(const circumstances& c, const times& t) {
  if (!c.ages_count || c.job.message->is_report()) return c.job.warnings;
  const auto due = policy::warnings_due(t.schedule, t.born, c.now);
  const auto most = unsigned{std::numeric_limits<std::uint8_t>::max()};
  return static_cast<std::uint8_t>(std::max<unsigned>(std::min(due, most), c.job.warnings));
}

/// An attempt, or the look at a stalled job, is made when somebody must be told, not hours later.
wall_time next_time(const circumstances& c, const times& t, const judgement& j,
                    policy::retry_reason why, random& rng) {
  const bool is_report = c.job.message->is_report();
  auto must = policy::deadline(t.schedule, t.born, j.warnings, is_report);
  if (t.give_up) must = std::min(must, *t.give_up);
  if (c.how.is_untried) {
    if (!c.ages_count) must = std::min(must, c.now + of_wall(c.grace));
    return std::max(c.now + of_wall(least_look), must);
  }
  const auto usual =
      policy::next_attempt(t.schedule, j.attempts, why, t.born, c.now, is_report, rng);
  const bool is_lost = why == policy::retry_reason::lost_content;
  const auto least = is_lost ? c.now + of_wall(policy::lost_content_wait) : c.now;
  return must > c.now ? std::max(least, std::min(usual, must)) : usual;
}

}  // namespace

judgement judge(const circumstances& c, std::vector<verdict>& verdicts, random& rng) {
  const auto& job = c.job;
  const bool is_report = job.message->is_report();
  const auto t = times_of(c);
  judgement j;
  // The first time that a job finds its destination closed stands for the attempt that others made.
  j.attempts = c.how.is_untried ? std::max<std::uint32_t>(job.attempts, 1) : job.attempts + 1;
  j.warnings = warnings_now(c, t);
  const bool is_late = j.warnings > job.warnings;
  const bool over = policy::is_expired(t.schedule, t.born, c.now, is_report) ||
                    (t.give_up && c.now >= *t.give_up);
  j.next_attempt = next_time(c, t, j, reason_of(verdicts), rng);
  if (c.ages_count) {
    policy::retry_schedule lifetime_only = c.schedule;
    lifetime_only.warnings.clear();
    j.given_up_at = policy::deadline(lifetime_only, t.born, 0, is_report);
    if (t.give_up) j.given_up_at = std::min(*j.given_up_at, *t.give_up);
  }
  j.is_new = !c.how.is_untried || job.attempts == 0 || is_late;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto& v = verdicts[i];
    if (v.what == outcome::deferred && over) {
      j.expired = true;
      v.what = outcome::bounced;
      v.status = "5.4.7";
    }
    spool::recipient_state state;
    state.attempts = j.attempts;
    state.warnings = j.warnings;
    state.diagnostic = v.reason.substr(0, diagnostic_limit);
    switch (v.what) {
      case outcome::delivered: state.status = spool::recipient_status::delivered; break;
      case outcome::bounced: state.status = spool::recipient_status::bounced; break;
      case outcome::deferred:
        // Behind a restart a stalled job is due at once: its destination is as new then.
        state.next_attempt = c.how.is_untried ? c.now : j.next_attempt;
        j.deferred.push_back(i);
        break;
    }
    j.is_new = j.is_new || v.what != outcome::deferred;
    j.tell.push_back(what_to_tell(c, job.recipients[i], v, is_late));
    j.states.push_back(std::move(state));
  }
  return j;
}

}  // namespace relais::delivery
