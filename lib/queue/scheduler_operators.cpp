// The operator's hand: looking at the schedule, and taking things out of it, piece by piece.
#include <algorithm>

#include "queue/scheduler_parts.hpp"

namespace relais::queue {
namespace {

/// Goes through a piece of a slab; where the next piece begins, 0 at the end.
template <class Slab, class Visitor>
std::uint32_t walk(Slab& all, std::uint32_t from, std::size_t count, const Visitor& visitor) {
  auto at = from;
  for (std::size_t i = 0; i < count && at < all.end(); ++i, ++at)
    if (all.contains(at)) visitor(at);
  return at < all.end() ? at : 0;
}

job_view::state state_of(const job_record& r) noexcept {
  switch (r.state()) {
    case job_state::ready: return job_view::state::ready;
    case job_state::waiting: return job_view::state::waiting;
    case job_state::stalled: return job_view::state::stalled;
    case job_state::in_hand:
    case job_state::withdrawn:
    case job_state::held_back: break;
  }
  return job_view::state::in_hand;
}

}  // namespace

scheduler::position scheduler::visit(position from, std::size_t count,
                                     const std::function<void(const job_view&)>& visitor) const {
  const auto& p = *parts_;
  return walk(p.jobs, from, count, [&](handle h) {
    const auto& r = p.jobs[h];
    visitor(job_view{r.id, p.destinations[r.home].hop, state_of(r), r.at, r.attempts});
  });
}

scheduler::position scheduler::withdraw(position from, std::size_t count,
                                        const std::unordered_set<queue_id>& ids) {
  auto& p = *parts_;
  const auto now = p.world.clock.now();
  return walk(p.jobs, from, count, [&](handle h) {
    auto& r = p.jobs[h];
    if (r.state() == job_state::withdrawn || !ids.contains(r.id)) return;
    if (r.state() == job_state::in_hand) {
      r.set_state(job_state::withdrawn);
      ++withdrawn_[r.id];
      return;
    }
    auto& home = p.destinations[r.home];
    p.detach(h);
    p.drop(h);
    if (!p.drop_if_idle(home, now)) p.touch(home);
  });
}

scheduler::position scheduler::hurry(position from, std::size_t count,
                                     const std::unordered_set<queue_id>* ids) {
  auto& p = *parts_;
  const auto now = p.world.clock.now();
  return walk(p.jobs, from, count, [&](handle h) {
    auto& r = p.jobs[h];
    if (ids != nullptr && !ids->contains(r.id)) return;
    if (r.state() == job_state::held_back) r.at = now;
    if (state_of(r) == job_view::state::in_hand) return;
    auto& home = p.destinations[r.home];
    if (r.state() == job_state::waiting) {
      p.detach(h);
      p.enter_ready(home, h, now);
    }
    if (home.state_ == destination_state::down && home.until_ > now) {
      home.until_ = now;
      home.is_announced_ = false;
    }
    home.wakes_soon_ = true;
    p.touch(home);
  });
}

scheduler::position scheduler::visit_destinations(
    position from, std::size_t count,
    const std::function<void(const destination&)>& visitor) const {
  const auto& all = parts_->destinations;
  return walk(all, from, count, [&](handle h) { visitor(all[h]); });
}

void scheduler::visit_destinations(const std::function<void(const destination&)>& visitor) const {
  visit_destinations(0, std::numeric_limits<std::size_t>::max(), visitor);
}

destination* scheduler::find(const policy::next_hop& hop) noexcept {
  return parts_->find(hop);
}

}  // namespace relais::queue
