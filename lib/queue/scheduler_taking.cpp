// Out of the schedule: which job delivery gets next.
#include <algorithm>

#include "queue/scheduler_parts.hpp"

namespace relais::queue {

std::optional<delivery_job> scheduler::take(destination& from) {
  auto& p = *parts_;
  if (from.state_ == destination_state::open) return p.take_open(from);
  const auto now = p.world.clock.now();
  if (!from.has_work(now)) return {};
  auto probe = p.take_probe(from, now);
  p.touch(from);
  return probe;
}

std::optional<delivery_job> scheduler::parts::take_open(destination& d) {
  for (;;) {
    refill(d, world.clock.now());
    const auto job = lanes.pop(d.lanes_);
    if (job == no_handle) return {};
    --d.ready_;
    if (auto taken = hand_over(d, job)) return taken;
  }
}

/// The stalled one with the nearest deadline.
std::optional<delivery_job> scheduler::parts::take_probe(destination& d, steady_time now) {
  while (d.has_work(now)) {
    auto job = d.stalled_ > 0 ? pop_stalled(d) : no_handle;
    if (job == no_handle) {
      job = lanes.pop(d.lanes_);
      --d.ready_;
    }
    if (auto taken = hand_over(d, job)) {
      d.probe_ = job;
      return taken;
    }
  }
  return {};
}

std::optional<delivery_job> scheduler::take_overdue(destination& from) {
  auto& p = *parts_;
  const auto now = p.world.clock.now();
  std::optional<delivery_job> taken;
  for (std::size_t steps = 0; !taken && from.has_overdue(); ++steps) {
    if (steps == parts::stride) {  // others want to live as well
      from.wakes_soon_ = true;
      break;
    }
    if (from.ready_ == 0) {
      taken = p.hand_over(from, p.pop_stalled(from));
      continue;
    }
    const auto job = p.lanes.pop(from.lanes_);
    --from.ready_;
    if (p.is_to_be_seen(from, p.jobs[job], now))
      taken = p.hand_over(from, job);
    else
      p.enter_stalled(from, job, p.deadline(from, p.jobs[job]));
  }
  p.touch(from);
  return taken;
}

/// The job in delivery's hands; empty: its message has gone or is held, and so has the job.
std::optional<delivery_job> scheduler::parts::hand_over(destination& d, handle job) {
  auto& r = jobs[job];
  delivery_job taken;
  taken.recipients = recipients_of(r);
  if (r.burden && r.burden->message) {
    taken.message = std::move(r.burden->message);
  } else {
    auto found = store.look_up(r.id);
    if (found && !found->is_held)
      std::erase_if(taken.recipients, [&](std::size_t i) {
        return i >= found->recipients.size() ||
               found->recipients[i].status != spool::recipient_status::pending;
      });
    if (!found || found->is_held || taken.recipients.empty()) {
      drop(job);
      return {};
    }
    taken.message = make_queued(std::move(*found));
  }
  taken.attempts = r.attempts;
  taken.warnings = static_cast<std::uint8_t>(r.warnings);
  taken.ready_since = r.state() == job_state::ready ? r.at : world.clock.now();
  taken.record_ = job;
  burdens -= burden_of(r);
  r.burden.reset();
  r.set_state(job_state::in_hand);
  ++d.in_hand_;
  return taken;
}

}  // namespace relais::queue
