#include "queue/queued_message.hpp"

#include <algorithm>

namespace relais::queue {
namespace {

/// FUTURERELEASE (RFC 4865): no first attempt before.
void hold_back(queued_message& m) {
  if (!m.envelope->hold_until) return;
  for (auto& r : m.recipients)
    if (r.attempts == 0) r.next_attempt = std::max(r.next_attempt, *m.envelope->hold_until);
}

}  // namespace

std::shared_ptr<queued_message> make_queued(std::shared_ptr<const spool::message> content,
                                            memory_lease lease) {
  auto made = std::make_shared<queued_message>();
  made->id = content->id;
  made->arrival = content->arrival;
  made->envelope = std::make_shared<const smtp::envelope>(content->envelope);
  made->size = content->content_size();
  made->recipients.resize(content->envelope.forward_paths.size());
  hold_back(*made);
  if (content->large) return made;
  // One lease for all who hold the content: a delivery may go on with it after release_content().
  struct leased {
    std::shared_ptr<const spool::message> content;
    memory_lease lease;
  };
  const auto* octets = content.get();
  const auto kept = std::make_shared<leased>();
  kept->content = std::move(content);
  kept->lease = std::move(lease);
  made->content = std::shared_ptr<const spool::message>(kept, octets);
  return made;
}

std::shared_ptr<queued_message> make_queued(spool::stored_message found, wall_time now,
                                            duration longest_wait) {
  auto made = std::make_shared<queued_message>();
  made->id = found.id;
  made->arrival = found.arrival;
  made->envelope = std::make_shared<const smtp::envelope>(std::move(found.envelope));
  made->size = found.content_size;
  made->recipients = std::move(found.recipients);
  const auto latest = now + std::chrono::duration_cast<std::chrono::microseconds>(longest_wait);
  for (auto& r : made->recipients) r.next_attempt = std::min(r.next_attempt, latest);
  hold_back(*made);
  return made;
}

}  // namespace relais::queue
