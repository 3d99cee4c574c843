#include "unit/queue/schedule_model.hpp"

#include <algorithm>

namespace relais::testing {

using namespace std::chrono_literals;
using queue::destination_state;

std::size_t schedule_model::count(const policy::next_hop& hop, state of) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      jobs, [&](const auto& j) { return j.second.hop == hop && j.second.state == of; }));
}

bool schedule_model::has_work(const policy::next_hop& hop) const {
  const auto& d = destinations.at(hop);
  if (d.state == destination_state::open) return count(hop, state::ready) > 0;
  return d.state == destination_state::down && now() >= d.until && !d.probe &&
         count(hop, state::ready) + count(hop, state::stalled) > 0;
}

bool schedule_model::has_overdue(const policy::next_hop& hop) const {
  const auto& d = destinations.at(hop);
  return d.state != destination_state::open && count(hop, state::ready) + d.leaving > 0;
}

steady_time schedule_model::deadline(const model_job& job) const {
  const auto arrival = std::chrono::milliseconds(job.id.value >> 16) -
                       scene_.clock.wall().time_since_epoch() + now().time_since_epoch();
  auto age = job.is_report ? 24h : 120h;
  if (!job.is_report && job.warnings == 0) age = 4h;
  if (scene_.name(job.hop) == "primary" && arrival + 12h > now().time_since_epoch())
    age = std::min(age, 12h);
  return std::max(now(), steady_time(arrival + age));
}

bool schedule_model::wants_fallback(const model_job& job) const {
  if (scene_.name(job.hop) != "primary") return false;
  const auto wall = scene_.clock.wall().time_since_epoch();
  return job.attempts >= 3 || destinations.at(job.hop).failures >= 3 ||
         wall - std::chrono::milliseconds(job.id.value >> 16) >= 12h;
}

bool schedule_model::is_to_be_seen(const model_job& job) const {
  return destinations.at(job.hop).state == destination_state::open || job.attempts == 0 ||
         job.is_overdue || deadline(job) <= now() || wants_fallback(job);
}

void schedule_model::enter_ready(model_job& job) {
  if (!is_to_be_seen(job)) return enter_stalled(job, deadline(job));
  job.state = state::ready;
  job.at = now();
  auto& lane = destinations[job.hop].lanes.at(job.lane);
  const auto flow = std::ranges::find(lane, job.flow, &model_destination::flow::number);
  if (flow == lane.end())
    lane.push_back({job.flow, {job.id}});
  else
    flow->jobs.push_back(job.id);
}

void schedule_model::enter_stalled(model_job& job, steady_time until) {
  job.state = state::stalled;
  job.is_overdue = false;
  job.at = until;
  job.message = nullptr;
}

std::optional<queue_id> schedule_model::pop_ready(model_destination& d) {
  std::optional<std::size_t> chosen;
  for (std::size_t i = 3; i-- > 0;)
    if (!d.lanes.at(i).empty()) chosen = i;
  if (!chosen) return {};
  for (std::size_t i = 0; i < 3; ++i)
    if (!d.lanes.at(i).empty() && d.passed.at(i) >= 8) chosen = i;
  for (std::size_t i = 0; i < 3; ++i)
    d.passed.at(i) = i != *chosen && !d.lanes.at(i).empty() ? d.passed.at(i) + 1 : 0;
  auto& lane = d.lanes.at(*chosen);
  auto turn = lane.front();
  lane.erase(lane.begin());
  const auto id = turn.jobs.front();
  turn.jobs.erase(turn.jobs.begin());
  if (!turn.jobs.empty()) lane.push_back(turn);
  return id;
}

std::optional<queue_id> schedule_model::first(const policy::next_hop& hop, state of) const {
  const model_job* best = nullptr;
  for (const auto& [id, job] : jobs)  // by id: the first of equals
    if (job.hop == hop && job.state == of && (best == nullptr || job.at < best->at)) best = &job;
  return best == nullptr ? std::nullopt : std::optional(best->id);
}

queue_id schedule_model::pop_stalled(const policy::next_hop& hop) {
  auto& d = destinations.at(hop);
  if (d.leaving > 0) --d.leaving;
  return *first(hop, state::stalled);
}

std::optional<model_job> schedule_model::hand_over(queue_id id) {
  auto& job = jobs.at(id);
  if (!job.message) {
    const auto known = scene_.store.all.find(id);
    const bool is_there = known != scene_.store.all.end() && !known->second.is_held;
    if (is_there)
      std::erase_if(job.recipients, [&](std::size_t i) {
        return known->second.recipients.at(i).status != spool::recipient_status::pending;
      });
    if (!is_there || job.recipients.empty()) {
      jobs.erase(id);
      return {};
    }
  }
  auto taken = job;
  job.state = state::in_hand;
  return taken;
}

void schedule_model::add(model_job job, steady_time due) {
  destinations[job.hop];
  auto& added = jobs[job.id] = job;
  if (due <= now()) return enter_ready(added);
  added.state = state::waiting;
  added.at = due;
  added.message = nullptr;
}

std::optional<model_job> schedule_model::take(const policy::next_hop& from) {
  auto& d = destinations.at(from);
  while (has_work(from)) {
    std::optional<queue_id> next;
    const bool is_probe = d.state == destination_state::down;
    if (is_probe && count(from, state::stalled) > 0)
      next = pop_stalled(from);
    else
      next = pop_ready(d);
    if (auto taken = hand_over(*next)) {
      if (is_probe) d.probe = next;
      return taken;
    }
  }
  return {};
}

std::optional<model_job> schedule_model::take_overdue(const policy::next_hop& from) {
  while (has_overdue(from)) {
    queue_id next;
    if (count(from, state::ready) == 0) {
      next = pop_stalled(from);
    } else {
      next = *pop_ready(destinations.at(from));
      if (!is_to_be_seen(jobs.at(next))) {
        enter_stalled(jobs.at(next), deadline(jobs.at(next)));
        continue;
      }
    }
    if (auto taken = hand_over(next)) return taken;
  }
  return {};
}

bool schedule_model::claim(model_job& job) {
  auto& d = destinations.at(job.hop);
  if (d.probe == job.id) d.probe.reset();
  job.is_overdue = false;
  if (!job.is_withdrawn) return true;
  jobs.erase(job.id);
  return false;
}

void schedule_model::postpone(queue_id id, steady_time due) {
  auto& job = jobs.at(id);
  if (!claim(job)) return;
  job.message = nullptr;
  if (due <= now()) return enter_ready(job);
  job.state = state::waiting;
  job.at = due;
}

void schedule_model::stall(queue_id id, steady_time until) {
  auto& job = jobs.at(id);
  if (!claim(job)) return;
  job.message = nullptr;
  if (destinations.at(job.hop).state == destination_state::open) return enter_ready(job);
  enter_stalled(job, std::max(until, now() + 1s));
}

void schedule_model::put_back(queue_id id) {
  auto& job = jobs.at(id);
  if (!claim(job)) return;
  job.state = state::ready;
  auto& lane = destinations.at(job.hop).lanes.at(job.lane);
  model_destination::flow moved{job.flow, {}};
  const auto flow = std::ranges::find(lane, job.flow, &model_destination::flow::number);
  if (flow != lane.end()) {
    moved = *flow;
    lane.erase(flow);
  }
  moved.jobs.insert(moved.jobs.begin(), id);
  lane.insert(lane.begin(), moved);
}

void schedule_model::finished(queue_id id) {
  if (claim(jobs.at(id))) jobs.erase(id);
}

void schedule_model::down(const policy::next_hop& hop, steady_time until) {
  auto& d = destinations.at(hop);
  if (d.state == destination_state::down && !d.probe && now() < d.until) return;
  ++d.failures;
  d.probe.reset();
  if (scene_.name(hop) == "primary" && d.failures >= 3) d.leaving = count(hop, state::stalled);
  if (d.state == destination_state::suspended) return;
  d.until = d.state == destination_state::paused ? std::max(d.until, until) : until;
  d.state = destination_state::down;
}

void schedule_model::reopen(const policy::next_hop& hop) {
  auto& d = destinations.at(hop);
  if (d.failures > 0) {
    d.state = destination_state::down;
    d.until = now();
    return;
  }
  d.state = destination_state::open;
  d.leaving = 0;
  while (count(hop, state::stalled) > 0) enter_ready(jobs.at(pop_stalled(hop)));
}

void schedule_model::up(const policy::next_hop& hop) {
  auto& d = destinations.at(hop);
  d.failures = 0;
  d.probe.reset();
  if (d.state == destination_state::down) reopen(hop);
}

void schedule_model::pause(const policy::next_hop& hop, steady_time until) {
  auto& d = destinations.at(hop);
  if (d.state == destination_state::suspended) return;
  if (d.state != destination_state::open && until <= d.until) return;
  d.state = destination_state::paused;
  d.until = until;
  d.probe.reset();
}

void schedule_model::suspend(const policy::next_hop& hop) {
  auto& d = destinations[hop];
  d.state = destination_state::suspended;
  d.until = steady_time::max();
  d.probe.reset();
}

void schedule_model::resume(const policy::next_hop& hop) {
  const auto& d = destinations.at(hop);
  if (d.state == destination_state::suspended || d.state == destination_state::paused) reopen(hop);
}

void schedule_model::withdraw(queue_id id) {
  auto& job = jobs.at(id);
  if (job.state == state::in_hand) {
    job.is_withdrawn = true;
    return;
  }
  auto& d = destinations.at(job.hop);
  if (job.state == state::ready) {
    auto& lane = d.lanes.at(job.lane);
    const auto flow = std::ranges::find(lane, job.flow, &model_destination::flow::number);
    std::erase(flow->jobs, id);
    if (flow->jobs.empty()) lane.erase(flow);
  }
  const auto hop = job.hop;
  jobs.erase(id);
  d.leaving = std::min(d.leaving, count(hop, state::stalled));
}

void schedule_model::hurry(queue_id id) {
  auto& job = jobs.at(id);
  if (job.state == state::in_hand) return;
  if (job.state == state::waiting) enter_ready(job);
  auto& d = destinations.at(job.hop);
  if (d.state == destination_state::down) d.until = std::min(d.until, now());
}

std::optional<steady_time> schedule_model::next_event() const {
  auto next = steady_time::max();
  for (const auto& [hop, d] : destinations)
    if (d.state == destination_state::paused) next = std::min(next, d.until);
  for (const auto& [id, job] : jobs) {
    const bool is_closed = destinations.at(job.hop).state != destination_state::open;
    if (job.state == state::waiting || (job.state == state::stalled && is_closed))
      next = std::min(next, job.at);
  }
  return next == steady_time::max() ? std::nullopt : std::optional(next);
}

void schedule_model::pass_time() {
  for (auto& [hop, d] : destinations) {
    if (d.state == destination_state::paused && now() >= d.until) reopen(hop);
    for (auto id = first(hop, state::waiting); id && jobs.at(*id).at <= now();
         id = first(hop, state::waiting))
      enter_ready(jobs.at(*id));
    if (d.state == destination_state::open) continue;
    for (auto id = first(hop, state::stalled); id && jobs.at(*id).at <= now();
         id = first(hop, state::stalled)) {
      auto& job = jobs.at(pop_stalled(hop));
      job.is_overdue = true;
      enter_ready(job);
    }
  }
}

}  // namespace relais::testing
