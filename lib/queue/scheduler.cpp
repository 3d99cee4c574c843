#include "queue/scheduler.hpp"

#include <algorithm>
#include <limits>

#include "queue/scheduler_parts.hpp"
#include "queue/sender_hash.hpp"

namespace relais::queue {
namespace {

job_lane lane_of(int priority) noexcept {
  if (priority == 0) return job_lane::normal;
  return priority > 0 ? job_lane::high : job_lane::low;
}

unsigned flow_of(std::uint32_t sender) noexcept {
  return (sender * 0x9e3779b1u) >> 26;  // of all bits, the six best mixed ones
}

}  // namespace

scheduler::scheduler(const net::runtime& world, const policy::routes& routes, spool::store& store)
    : parts_(std::make_unique<parts>(world, routes, store)) {}

scheduler::~scheduler() = default;

void scheduler::on_ready(std::function<void(destination&)> wake) {
  parts_->wake = std::move(wake);
}

void scheduler::begin() {
  auto& p = *parts_;
  p.has_begun = true;
  p.first_held = 0;
  p.arm();
}

steady_time scheduler::due_at(wall_time at) const {
  return parts_->due_at(at);
}

std::size_t scheduler::jobs() const noexcept {
  return parts_->jobs.size();
}

std::uint64_t scheduler::memory() const noexcept {
  const auto& p = *parts_;
  // Of the table: a bucket, and a node with its hash and what malloc adds.
  constexpr std::uint64_t node = 32;
  return p.jobs.memory() + p.burdens + p.texts + p.destinations.memory() + p.table.size() * node +
         p.table.bucket_count() * sizeof(void*);
}

// --- into the schedule ------------------------------------------------------------------------

void scheduler::add(const policy::next_hop& hop, new_job job) {
  auto& p = *parts_;
  if (job.recipients.empty() || withdrawn_.contains(job.id)) return;
  auto& d = p.obtain(hop);
  const auto due = p.due_at(job.due);
  const auto now = p.world.clock.now();  // not before: due_at() asks the clock as well
  for (std::size_t first = 0; first < job.recipients.size(); first += recipients_per_job) {
    const auto count = std::min(recipients_per_job, job.recipients.size() - first);
    const auto made = p.jobs.make();
    auto& r = p.jobs[made];
    r.id = job.id;
    r.home = d.self_;
    r.attempts = std::min(job.attempts, job_record::most_attempts) & job_record::most_attempts;
    r.warnings = std::min<std::uint32_t>(job.warnings, job_record::most_warnings) & 63;
    r.is_report = job.is_report ? 1 : 0;
    r.set_lane(lane_of(job.priority));
    r.flow = flow_of(job.sender_hash) & 63;
    p.set_recipients(r, job.recipients.data() + first, count);
    if (!p.has_begun && !job.message) {
      p.hold_back(d, made, due);
      continue;
    }
    if (due > now) {
      p.enter_waiting(d, made, due);
      continue;
    }
    // Of a long line the envelopes wait in the spool, as those of cold jobs do.
    if (job.message && (job.message->content || d.ready_ < parts::refill_to))
      p.make_hot(r, job.message);
    p.enter_ready(d, made, now);
  }
  p.touch(d);
  if (due <= now) p.announce(d);
}

void scheduler::parts::hold_back(destination& d, handle job, steady_time due) {
  auto& r = jobs[job];
  r.set_state(job_state::held_back);
  r.at = due;
  ++d.in_hand_;
}

/// A piece of those that were held back: sessions are served in between.
void scheduler::parts::let_some_go(steady_time now) {
  for (const auto end = first_held + stride; first_held < end && first_held < jobs.end();
       ++first_held) {
    const auto job = first_held;
    if (!jobs.contains(job) || jobs[job].state() != job_state::held_back) continue;
    auto& d = destinations[jobs[job].home];
    const auto due = jobs[job].at;
    --d.in_hand_;
    if (due > now) {
      enter_waiting(d, job, due);
    } else {
      enter_ready(d, job, now);
      d.wakes_soon_ = true;
    }
    touch(d);
  }
  if (first_held >= jobs.end()) first_held = no_handle;
}

void scheduler::parts::enter_ready(destination& d, handle job, steady_time now) {
  auto& r = jobs[job];
  if (!is_to_be_seen(d, r, now)) return enter_stalled(d, job, deadline(d, r));
  r.set_state(job_state::ready);
  r.at = now;
  lanes.push_back(d.lanes_, job);
  ++d.ready_;
}

/// Of an open destination, all; else see take_overdue().
bool scheduler::parts::is_to_be_seen(const destination& d, const job_record& r,
                                     steady_time now) const {
  return d.state_ == destination_state::open || r.is_overdue != 0 || r.attempts == 0 ||
         deadline(d, r) <= now || wants_fallback(d, r.id, r.attempts);
}

void scheduler::parts::enter_waiting(destination& d, handle job, steady_time due) {
  auto& r = jobs[job];
  make_cold(r);
  r.is_overdue = 0;
  r.set_state(job_state::waiting);
  r.at = due;
  heap.push(d.first_waiting_, job);
  ++d.waiting_;
}

void scheduler::parts::enter_stalled(destination& d, handle job, steady_time until) {
  auto& r = jobs[job];
  make_cold(r);
  r.is_overdue = 0;
  r.set_state(job_state::stalled);
  r.at = until;
  heap.push(d.first_stalled_, job);
  ++d.stalled_;
}

handle scheduler::parts::pop_stalled(destination& d) {
  const auto job = heap.pop(d.first_stalled_);
  --d.stalled_;
  if (d.leaving_ > 0) --d.leaving_;
  return job;
}

void scheduler::parts::refill(destination& d, steady_time now) {
  // At least one each time: however much comes fresh, what was stalled is not forgotten.
  const auto enough = d.ready_ < refill_below ? refill_to : d.ready_ + 1;
  while (d.ready_ < enough && d.stalled_ > 0) enter_ready(d, pop_stalled(d), now);
}

// --- back from delivery -----------------------------------------------------------------------

/// The record of a job that comes back, in no list; no_handle: it was withdrawn.
handle scheduler::claim(destination& to, const delivery_job& job) {
  auto& p = *parts_;
  auto found = job.record_;
  const auto id = job.message->id;
  const bool is_known = p.jobs.contains(found) && p.jobs[found].id == id &&
                        (p.jobs[found].state() == job_state::in_hand ||
                         p.jobs[found].state() == job_state::withdrawn);
  // What delivery makes of a withdrawn job goes the same way: whoever withdrew it adds the rest.
  if (!is_known && withdrawn_.contains(id)) return no_handle;
  if (!is_known) {  // delivery's own making
    found = p.jobs.make();
    auto& fresh = p.jobs[found];
    fresh.id = id;
    fresh.home = to.self_;
    fresh.is_report = job.message->is_report() ? 1 : 0;
    fresh.set_lane(lane_of(job.message->envelope->priority));
    fresh.flow = flow_of(sender_hash(*job.message->envelope)) & 63;
    fresh.set_state(job_state::in_hand);
    ++to.in_hand_;
  }
  auto& r = p.jobs[found];
  auto& home = p.destinations[r.home];
  --home.in_hand_;
  if (home.probe_ == found) {  // it proved nothing: the next one
    home.probe_ = no_handle;
    home.wakes_soon_ = true;
    if (&home != &to) p.touch(home);
  }
  if (r.state() == job_state::withdrawn) {
    const auto left = withdrawn_.find(id);
    if (--left->second == 0) withdrawn_.erase(left);
    p.drop(found);
    p.touch(to);
    return no_handle;
  }
  r.home = to.self_;
  r.is_overdue = 0;
  r.attempts = std::min(job.attempts, job_record::most_attempts) & job_record::most_attempts;
  r.warnings = std::min<std::uint32_t>(job.warnings, job_record::most_warnings) & 63;
  p.set_recipients(r, job.recipients.data(), job.recipients.size());
  return found;
}

void scheduler::postpone(destination& to, delivery_job job, steady_time due) {
  auto& p = *parts_;
  if (job.recipients.empty()) return finished(to, job);
  const auto now = p.world.clock.now();
  const auto back = claim(to, job);
  if (back == no_handle) return;
  job = delivery_job();  // the content's memory is free before anything else happens
  if (due > now)
    p.enter_waiting(to, back, due);
  else
    p.enter_ready(to, back, now);
  p.touch(to);
  if (due <= now) p.announce(to);
}

void scheduler::stall(destination& to, delivery_job job, steady_time deadline) {
  auto& p = *parts_;
  if (job.recipients.empty()) return finished(to, job);
  const auto now = p.world.clock.now();
  const auto back = claim(to, job);
  if (back == no_handle) return;
  job = delivery_job();
  const bool is_open = to.state_ == destination_state::open;
  if (is_open)
    p.enter_ready(to, back, now);
  else  // never at once: delivery has just seen it
    p.enter_stalled(to, back, std::max(deadline, now + std::chrono::seconds(1)));
  if (!is_open && to.has_work(now)) to.wakes_soon_ = true;
  p.touch(to);
  if (is_open) p.announce(to);
}

void scheduler::put_back(destination& to, delivery_job job) {
  auto& p = *parts_;
  if (job.recipients.empty()) return finished(to, job);
  const auto back = claim(to, job);
  if (back == no_handle) return;
  auto& r = p.jobs[back];
  p.make_hot(r, std::move(job.message));
  r.set_state(job_state::ready);
  r.at = job.ready_since;
  p.lanes.push_front(to.lanes_, back);
  ++to.ready_;
  p.touch(to);
  p.announce(to);
}

void scheduler::finished(destination& to, const delivery_job& job) {
  auto& p = *parts_;
  const auto back = claim(to, job);
  if (back == no_handle) return;
  p.drop(back);
  p.touch(to);
}

// --- records ----------------------------------------------------------------------------------

void scheduler::parts::set_recipients(job_record& r, const std::size_t* first, std::size_t count) {
  burdens -= burden_of(r);
  if (count == 1 && *first < job_record::inline_recipients) {
    r.burden.reset();
    r.recipient = static_cast<std::uint32_t>(*first) & (job_record::inline_recipients - 1);
  } else {
    if (!r.burden) r.burden = std::make_unique<job_burden>();
    auto& all = r.burden->recipients;
    all.clear();
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(static_cast<std::uint32_t>(first[i]));
  }
  burdens += burden_of(r);
}

std::vector<std::size_t> scheduler::parts::recipients_of(const job_record& r) const {
  if (!r.burden || r.burden->recipients.empty()) return {r.recipient};
  return {r.burden->recipients.begin(), r.burden->recipients.end()};
}

void scheduler::parts::make_cold(job_record& r) {
  if (!r.burden || !r.burden->message) return;
  burdens -= burden_of(r);
  r.burden->message.reset();
  if (r.burden->recipients.empty()) r.burden.reset();
  burdens += burden_of(r);
}

void scheduler::parts::make_hot(job_record& r, std::shared_ptr<const queued_message> message) {
  burdens -= burden_of(r);
  if (!r.burden) r.burden = std::make_unique<job_burden>();
  r.burden->message = std::move(message);
  burdens += burden_of(r);
}

std::uint64_t scheduler::parts::burden_of(const job_record& r) const noexcept {
  constexpr std::uint64_t of_malloc = 8;
  if (!r.burden) return 0;
  const auto several = r.burden->recipients.capacity();
  return sizeof(job_burden) + of_malloc +
         (several > 0 ? several * sizeof(std::uint32_t) + of_malloc : 0);
}

void scheduler::parts::detach(handle job) {
  auto& r = jobs[job];
  auto& d = destinations[r.home];
  if (r.state() == job_state::ready) {
    lanes.erase(d.lanes_, job);
    --d.ready_;
  } else if (r.state() == job_state::waiting) {
    heap.erase(d.first_waiting_, job);
    --d.waiting_;
  } else if (r.state() == job_state::stalled) {
    heap.erase(d.first_stalled_, job);
    --d.stalled_;
    d.leaving_ = std::min(d.leaving_, d.stalled_);
  } else if (r.state() == job_state::held_back) {
    --d.in_hand_;
  }
}

void scheduler::parts::drop(handle job) {
  burdens -= burden_of(jobs[job]);
  jobs.erase(job);
}

// --- time -------------------------------------------------------------------------------------

steady_time scheduler::parts::due_at(wall_time at) const {
  const auto ahead = at - world.clock.wall();
  const auto now = world.clock.now();
  if (ahead <= wall_time::duration::zero()) return now;
  const auto room = std::chrono::duration_cast<wall_time::duration>(never - now);
  return ahead < room ? now + ahead : never - duration(1);  // the year 2300 is soon enough
}

steady_time scheduler::parts::deadline(const destination& d, queue_id id, unsigned warnings,
                                       bool is_report) const {
  const auto& way = routes.at(d.hop);
  const auto arrival = arrival_of(id);
  auto at = policy::deadline(way.retry, arrival, warnings, is_report);
  if (!way.fallback.empty() && !d.hop.is_fallback && way.fallback_time > duration{0}) {
    const auto leaves =
        arrival + std::chrono::duration_cast<wall_time::duration>(way.fallback_time);
    if (leaves > world.clock.wall()) at = std::min(at, leaves);
  }
  return due_at(at);
}

bool scheduler::parts::wants_fallback(const destination& d, queue_id id,
                                      std::uint32_t attempts) const {
  const auto& way = routes.at(d.hop);
  if (way.fallback.empty() || d.hop.is_fallback) return false;
  const auto age = std::max(world.clock.wall() - arrival_of(id), wall_time::duration::zero());
  return routes.wants_fallback(d.hop, std::max<unsigned>(attempts, d.failures_), age);
}

bool scheduler::wants_fallback(const destination& at, const delivery_job& job) const {
  return parts_->wants_fallback(at, job.message->id, job.attempts);
}

steady_time scheduler::deadline(const destination& to, const delivery_job& job) const {
  return parts_->deadline(to, job.message->id, job.warnings, job.message->is_report());
}

}  // namespace relais::queue
