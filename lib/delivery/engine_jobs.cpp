// Jobs that go back into the schedule. See the header of engine.hpp.
#include <algorithm>

#include "base/error.hpp"
#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using queue::destination;
using queue::destination_state;

namespace {
// A job that waits for its destination is not looked at more often.
constexpr auto shortest_stall = std::chrono::minutes(1);
}  // namespace

verdict engine::unreadable(queue_id id, error_code why) {
  verdict v(outcome::deferred, blame::message, "4.3.0",
            "the stored message cannot be read: " + why.message());
  events_.emit(events::notice{"qmgr", true, id.text() + ": " + v.reason});
  return v;
}

void engine::add_part(destination& to, queue::delivery_job job, wall_time due) {
  auto part = queue::job_for(std::move(job.message), std::move(job.recipients));
  part.attempts = job.attempts;
  part.warnings = job.warnings;
  part.due = due;
  scheduler_.add(to.hop, std::move(part));
}

// `for_destination`: the message itself is not to blame.
void engine::come_back(destination& to, parcel& p, remainder rest, bool for_destination) {
  auto job = std::move(p.job);
  const bool is_part = p.is_part;
  p.clear();
  if (rest.recipients.empty()) {
    if (!is_part) scheduler_.finished(to, job);
    return;
  }
  job.recipients = std::move(rest.recipients);
  job.attempts = rest.attempts;
  job.warnings = rest.warnings;
  if (is_part) return add_part(to, std::move(job), rest.next_attempt);
  if (take_fallback(to, job)) return;
  if (for_destination && to.state() != destination_state::open) return stall(to, std::move(job));
  scheduler_.postpone(to, std::move(job), scheduler_.due_at(rest.next_attempt));
}

void engine::put_back(destination& to, parcel& p) {
  auto job = std::move(p.job);
  const bool is_part = p.is_part;
  p.clear();
  if (is_part) return add_part(to, std::move(job), wall_time());
  scheduler_.put_back(to, std::move(job));
}

void engine::later(destination& to, parcel& p, duration wait) {
  auto job = std::move(p.job);
  const bool is_part = p.is_part;
  p.clear();
  const auto ahead = std::chrono::duration_cast<wall_time::duration>(wait);
  if (is_part) return add_part(to, std::move(job), world_.clock.wall() + ahead);
  scheduler_.postpone(to, std::move(job), world_.clock.now() + wait);
}

bool engine::take_fallback(destination& to, const queue::delivery_job& job) {
  if (to.hop.is_fallback || scheduler_.is_withdrawn(job.message->id)) return false;
  const auto& way = routes_.at(to.hop);
  if (way.fallback.empty()) return false;
  const auto& m = *job.message;
  const auto born = std::max(m.arrival, m.envelope->hold_until.value_or(wall_time{}));
  const auto age = std::chrono::duration_cast<duration>(world_.clock.wall() - born);
  // Attempts that others made count for all that waits.
  const auto attempts = std::max<unsigned>(job.attempts, to.failures());
  if (!routes_.wants_fallback(to.hop, attempts, age)) return false;
  auto hop = to.hop;
  hop.is_fallback = true;
  auto again = queue::job_for(job.message, job.recipients);
  again.attempts = job.attempts;
  again.warnings = job.warnings;
  events_.emit(events::notice{
      "qmgr", false, m.id.text() + ": from now on by the fallback of " + way.name + ", " +
                         routes_.text(hop)});
  dispatcher_.hand(std::move(hop), std::move(again));
  scheduler_.finished(to, job);
  return true;
}

void engine::stall(destination& to, queue::delivery_job job) {
  auto deadline = scheduler_.deadline(to, job);
  const auto& way = routes_.at(to.hop);
  if (!to.hop.is_fallback && !way.fallback.empty()) {
    if (way.fallback_time > duration{0}) {
      const auto after = std::chrono::duration_cast<wall_time::duration>(way.fallback_time);
      deadline = std::min(deadline, scheduler_.due_at(job.message->arrival + after));
    }
    // Each probe that fails brings the fallback nearer.
    if (way.fallback_attempts > 0) deadline = std::min(deadline, to.until());
  }
  deadline = std::max(deadline, world_.clock.now() + shortest_stall);
  scheduler_.stall(to, std::move(job), deadline);
}

}  // namespace relais::delivery
