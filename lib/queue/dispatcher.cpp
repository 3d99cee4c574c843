#include "queue/dispatcher.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "queue/sender_hash.hpp"

namespace relais::queue {
namespace {

new_job job_of(queue_id id, const smtp::envelope& envelope) {
  new_job made;
  made.id = id;
  made.priority = envelope.priority;
  made.sender_hash = sender_hash(envelope);
  made.is_report = envelope.reverse_path.is_null();
  return made;
}

}  // namespace

new_job job_for(std::shared_ptr<const queued_message> message,
                std::vector<std::size_t> recipients) {
  auto made = job_of(message->id, *message->envelope);
  made.message = std::move(message);
  made.recipients = std::move(recipients);
  return made;
}

dispatcher::dispatcher(std::size_t self, std::vector<schedule_of_worker> all,
                       const policy::routes& routes)
    : self_(self), all_(std::move(all)), routes_(routes) {}

std::size_t dispatcher::owner_of(const policy::next_hop& hop) const noexcept {
  return std::hash<policy::next_hop>{}(hop) % all_.size();
}

/// Where one recipient's copy goes.
policy::next_hop dispatcher::next_hop_of(const smtp::envelope& envelope, std::size_t recipient,
                                         const std::string& rerouted) const {
  if (!rerouted.empty())
    if (auto chosen = routes_.parse(rerouted)) return std::move(*chosen);
  return routes_.find(policy::route_subject{
      envelope.forward_paths[recipient], envelope.reverse_path, envelope.user, envelope.listener});
}

void dispatcher::add(const std::shared_ptr<const queued_message>& message) {
  const auto& envelope = *message->envelope;
  auto job = job_of(message->id, envelope);
  job.message = message;
  if (envelope.hold_until) job.due = *envelope.hold_until;
  const auto count = envelope.forward_paths.size();
  if (count == 1) {
    job.recipients.push_back(0);
    hand(next_hop_of(envelope, 0, message->next_hop), std::move(job));
    return;
  }
  std::map<policy::next_hop, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < count; ++i)
    groups[next_hop_of(envelope, i, message->next_hop)].push_back(i);
  for (auto& [hop, recipients] : groups) {
    auto part = job;
    part.recipients = std::move(recipients);
    hand(hop, std::move(part));
  }
}

void dispatcher::add(const spool::stored_message& found, duration longest_wait) {
  if (found.is_held) return;
  const auto& envelope = found.envelope;
  const auto now = all_[self_].world->clock.wall();
  const auto latest = now + std::chrono::duration_cast<wall_time::duration>(longest_wait);
  // What travelled together so far does so again.
  using key = std::tuple<policy::next_hop, wall_time, std::uint32_t, std::uint8_t>;
  std::map<key, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < found.recipients.size(); ++i) {
    const auto& state = found.recipients[i];
    if (state.status != spool::recipient_status::pending) continue;
    auto hop = next_hop_of(envelope, i, found.next_hop);
    const auto age = std::max(now - found.arrival, wall_time::duration::zero());
    if (!hop.is_fallback && routes_.wants_fallback(hop, state.attempts, age))
      hop.is_fallback = true;
    auto due = std::min(state.next_attempt, latest);
    if (envelope.hold_until && state.attempts == 0) due = std::max(due, *envelope.hold_until);
    groups[key(std::move(hop), std::max(due, now), state.attempts, state.warnings)].push_back(i);
  }
  for (auto& [group, recipients] : groups) {
    auto job = job_of(found.id, envelope);
    job.recipients = std::move(recipients);
    job.due = std::get<wall_time>(group);
    job.attempts = std::get<std::uint32_t>(group);
    job.warnings = std::get<std::uint8_t>(group);
    hand(std::get<policy::next_hop>(group), std::move(job));
  }
}

void dispatcher::to_fallback(destination& from, delivery_job job) {
  auto moved = job_for(job.message, job.recipients);
  moved.attempts = job.attempts;
  moved.warnings = job.warnings;
  auto hop = from.hop;
  hop.is_fallback = true;
  // Of a withdrawn one whoever withdrew it decides what goes on.
  const bool is_wanted = !all_[self_].scheduler->is_withdrawn(job.message->id);
  all_[self_].scheduler->finished(from, job);
  if (!is_wanted) return;
  hand(std::move(hop), std::move(moved));
}

void dispatcher::hand(policy::next_hop hop, new_job job) {
  const auto& owner = all_[owner_of(hop)];
  if (&owner == &all_[self_]) return owner.scheduler->add(hop, std::move(job));
  net::asio::post(owner.world->executor,
                  [to = owner.scheduler, hop = std::move(hop), job = std::move(job)]() mutable {
                    to->add(hop, std::move(job));
                  });
}

}  // namespace relais::queue
