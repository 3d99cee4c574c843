// Destinations: their states, and what happens to them as time goes by. One alarm for all, set to
// the first event of the first destination.
#include <algorithm>
#include <cstring>

#include "queue/scheduler_parts.hpp"

namespace relais::queue {
namespace {

/// Of a text outside of its string object.
std::uint64_t octets_of(const std::string& text) noexcept {
  return text.capacity() < sizeof(text) / 2 ? 0 : text.capacity() + 9;
}

}  // namespace

scheduler::parts::parts(const net::runtime& world_in, const policy::routes& routes_in,
                        spool::store& store_in)
    : world(world_in),
      routes(routes_in),
      store(store_in),
      table(0, hop_hash{hop_of{&destinations}}, hop_equal{hop_of{&destinations}}),
      bell(world.alarms.make([this] { ring(); })) {}

destination* scheduler::parts::find(const policy::next_hop& hop) noexcept {
  const auto found = table.find(hop);
  return found == table.end() ? nullptr : &destinations[*found];
}

destination& scheduler::parts::obtain(const policy::next_hop& hop) {
  if (auto* found = find(hop)) return *found;
  const auto made = destinations.make(hop);
  destinations[made].self_ = made;
  table.insert(made);
  texts += octets_of(destinations[made].hop.domain);
  return destinations[made];
}

bool scheduler::parts::drop_if_idle(destination& d, steady_time now) {
  if (d.ready_ + d.waiting_ + d.stalled_ + d.in_hand_ != 0 || d.delivery) return false;
  if (d.state_ == destination_state::suspended) return false;
  if (d.state_ != destination_state::open && now < d.until_) return false;
  if (d.event_ != never) events.erase(first_event, d.self_);
  explain(d, {});
  texts -= octets_of(d.hop.domain);
  const auto self = d.self_;
  table.erase(self);
  destinations.erase(self);
  return true;
}

void scheduler::parts::explain(destination& d, std::string_view reason) {
  constexpr std::size_t and_malloc = 9;
  if (d.reason_) texts -= d.reason().size() + and_malloc;
  d.reason_.reset();
  reason = reason.substr(0, longest_reason);
  if (reason.empty()) return;
  texts += reason.size() + and_malloc;
  d.reason_ = std::make_unique<char[]>(reason.size() + 1);
  reason.copy(d.reason_.get(), reason.size());
}

void scheduler::parts::reopen(destination& d, steady_time now) {
  explain(d, {});
  d.wakes_soon_ = true;
  if (d.failures_ > 0) {
    d.state_ = destination_state::down;
    d.until_ = now;
    d.is_announced_ = false;
    explain(d, "to be probed");
    return;
  }
  d.state_ = destination_state::open;
  d.leaving_ = 0;
  refill(d, now);
}

steady_time scheduler::parts::next_event(const destination& d) const {
  if (d.wakes_soon_) return steady_time::min();
  auto next = never;
  if (d.first_waiting_ != no_handle) next = jobs[d.first_waiting_].at;
  if (d.state_ == destination_state::open) return next;
  if (d.first_stalled_ != no_handle) next = std::min(next, jobs[d.first_stalled_].at);
  if (d.state_ == destination_state::paused ||
      (d.state_ == destination_state::down && !d.is_announced_))
    next = std::min(next, d.until_);
  return next;
}

void scheduler::parts::touch(destination& d) {
  const auto next = next_event(d);
  if (next != d.event_) {
    if (d.event_ != never) events.erase(first_event, d.self_);
    d.event_ = next;
    if (d.event_ != never) events.push(first_event, d.self_);
  }
  arm();
}

void scheduler::parts::announce(destination& d) {
  if (!wake) return;
  if (d.has_work(world.clock.now()) || d.has_overdue()) wake(d);
}

void scheduler::parts::arm() {
  auto event = first_event == no_handle ? never : destinations[first_event].event_;
  if (first_held != no_handle) event = steady_time::min();
  if (event >= rings_at) return;  // it rings early enough, or nothing will happen
  const auto at = std::max(event, world.clock.now());
  if (at >= rings_at) return;
  rings_at = at;
  bell->set(at);
}

void scheduler::parts::ring() {
  rings_at = never;
  const auto now = world.clock.now();
  if (first_held != no_handle) let_some_go(now);
  std::size_t steps = 0;
  while (first_event != no_handle && steps < stride) {
    auto& d = destinations[first_event];
    if (d.event_ > now) break;
    steps += 1 + happen(d, now, stride - steps);
    if (drop_if_idle(d, now)) continue;
    touch(d);
    announce(d);
  }
  arm();
}

/// What is due at a destination; so many jobs at most. The number of jobs that moved.
std::size_t scheduler::parts::happen(destination& d, steady_time now, std::size_t budget) {
  std::size_t moved = 0;
  d.wakes_soon_ = false;
  if (d.state_ == destination_state::paused && now >= d.until_) {
    reopen(d, now);
    d.wakes_soon_ = false;
  }
  for (; moved < budget && d.first_waiting_ != no_handle && jobs[d.first_waiting_].at <= now;
       ++moved) {
    const auto job = heap.pop(d.first_waiting_);
    --d.waiting_;
    enter_ready(d, job, now);
  }
  if (d.state_ == destination_state::open) return moved;
  for (; moved < budget && d.first_stalled_ != no_handle && jobs[d.first_stalled_].at <= now;
       ++moved) {
    const auto job = pop_stalled(d);
    jobs[job].is_overdue = 1;
    enter_ready(d, job, now);
  }
  if (d.state_ == destination_state::down && now >= d.until_) d.is_announced_ = true;
  return moved;
}

// --- the states -------------------------------------------------------------------------------

void scheduler::down(destination& to, steady_time probe_at, std::string reason) {
  auto& p = *parts_;
  const bool is_known = to.state_ == destination_state::down && to.probe_ == no_handle &&
                        p.world.clock.now() < to.until_;
  if (is_known) return;
  if (to.failures_ < std::numeric_limits<std::uint16_t>::max()) ++to.failures_;
  to.probe_ = no_handle;
  // A fallback takes over what waits for the probes.
  if (p.routes.wants_fallback(to.hop, to.failures_, duration{0})) to.leaving_ = to.stalled_;
  if (to.state_ != destination_state::suspended) {
    to.until_ = to.state_ == destination_state::paused ? std::max(to.until_, probe_at) : probe_at;
    to.state_ = destination_state::down;
    to.is_announced_ = false;
    p.explain(to, reason);
  }
  if (to.has_overdue()) to.wakes_soon_ = true;
  p.touch(to);
}

void scheduler::up(destination& to) {
  auto& p = *parts_;
  to.failures_ = 0;
  to.probe_ = no_handle;
  if (to.state_ != destination_state::down) return;
  p.reopen(to, p.world.clock.now());
  to.wakes_soon_ = false;
  p.touch(to);
  p.announce(to);
}

void scheduler::pause(destination& to, steady_time until, std::string reason) {
  if (to.state_ == destination_state::suspended) return;
  if (to.state_ != destination_state::open && until <= to.until_) return;
  to.state_ = destination_state::paused;
  to.until_ = until;
  to.probe_ = no_handle;
  parts_->explain(to, reason);
  if (to.has_overdue()) to.wakes_soon_ = true;
  parts_->touch(to);
}

void scheduler::suspend(const policy::next_hop& hop) {
  auto& d = parts_->obtain(hop);
  d.state_ = destination_state::suspended;
  d.until_ = parts::never;
  d.probe_ = no_handle;
  parts_->explain(d, "suspended by an operator");
  if (d.has_overdue()) d.wakes_soon_ = true;
  parts_->touch(d);
}

void scheduler::resume(const policy::next_hop& hop) {
  auto* d = parts_->find(hop);
  if (d == nullptr) return;
  const auto now = parts_->world.clock.now();
  if (d->state_ == destination_state::suspended || d->state_ == destination_state::paused)
    parts_->reopen(*d, now);
  if (!parts_->drop_if_idle(*d, now)) parts_->touch(*d);
}

std::vector<policy::next_hop> scheduler::suspended() const {
  std::vector<policy::next_hop> found;
  visit_destinations([&](const destination& d) {
    if (d.state_ == destination_state::suspended) found.push_back(d.hop);
  });
  return found;
}

void scheduler::release(destination& idle) {
  parts_->drop_if_idle(idle, parts_->world.clock.now());
}

}  // namespace relais::queue
