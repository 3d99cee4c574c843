#include "queue/scheduler.hpp"

#include <algorithm>

namespace relais::queue {

scheduler::scheduler(const net::runtime& world, const policy::routes& routes)
    : world_(world), routes_(routes), bell_(world.alarms.make([this] { ring(); })) {}

destination& scheduler::find(const policy::next_hop& hop) {
  auto& found = destinations_[hop];
  found.hop = hop;
  return found;
}

steady_time scheduler::due_at(wall_time at) const {
  const auto ahead = at - world_.clock.wall();
  return world_.clock.now() + std::max<duration>(duration{0}, ahead);
}

void scheduler::add(const std::shared_ptr<queued_message>& message) {
  // Recipients that go to the same next hop at the same time are one job.
  std::map<std::pair<policy::next_hop, wall_time>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < message->recipients.size(); ++i) {
    const auto& state = message->recipients[i];
    if (state.status != spool::recipient_status::pending) continue;
    groups[{routes_.route(message->envelope->forward_paths[i]), state.next_attempt}].push_back(i);
  }
  for (auto& [key, recipients] : groups) {
    const auto& [hop, next_attempt] = key;
    const auto due = due_at(next_attempt);
    for (std::size_t first = 0; first < recipients.size(); first += recipients_per_job) {
      const auto last = std::min(first + recipients_per_job, recipients.size());
      delivery_job job;
      job.message = message;
      job.recipients.assign(recipients.begin() + static_cast<std::ptrdiff_t>(first),
                            recipients.begin() + static_cast<std::ptrdiff_t>(last));
      postpone(find(hop), std::move(job), due);
    }
    release(find(hop));  // what only waits needs no destination yet
  }
}

void scheduler::postpone(destination& to, delivery_job job, steady_time due) {
  if (due <= world_.clock.now()) return enqueue(to, std::move(job));
  const auto at = waiting_.emplace(due, waiting_job{to.hop, std::move(job)});
  if (at == waiting_.begin()) bell_->set(due);
}

void scheduler::enqueue(destination& to, delivery_job job) {
  job.ready_since = world_.clock.now();
  to.ready.push_back(std::move(job));
  wake_(to);
}

void scheduler::put_back(destination& to, delivery_job job) {
  to.ready.push_front(std::move(job));
  wake_(to);
}

std::optional<delivery_job> scheduler::take(destination& from) {
  if (from.ready.empty()) return {};
  auto job = std::move(from.ready.front());
  from.ready.pop_front();
  return job;
}

void scheduler::release(destination& idle) {
  if (!idle.ready.empty() || idle.sessions != 0 || idle.in_line) return;
  const auto hop = idle.hop;  // a copy: erasing ends the destination
  destinations_.erase(hop);
}

void scheduler::ring() {
  const auto now = world_.clock.now();
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    auto due = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    enqueue(find(due.hop), std::move(due.job));
  }
  if (!waiting_.empty()) bell_->set(waiting_.begin()->first);
}

}  // namespace relais::queue
