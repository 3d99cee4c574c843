#include "queue/queued_message.hpp"

namespace relais::queue {
namespace {

/// What an envelope holds in memory, about: each of the texts of a path has some dozen octets.
std::uint64_t memory_of(const smtp::envelope& e) noexcept {
  return sizeof(queued_message) + sizeof(spool::message) + 64 +
         e.forward_paths.size() * (sizeof(smtp::path) + 64) +
         e.recipient_options.size() * (sizeof(smtp::recipient_options) + 64);
}

}  // namespace

std::shared_ptr<const queued_message> make_queued(std::shared_ptr<const spool::message> content,
                                                  memory_lease lease) {
  const auto made = std::make_shared<queued_message>();
  made->id = content->id;
  made->arrival = content->arrival;
  made->size = content->content_size();
  const auto* const message = content.get();
  if (content->large) {  // holds no content: the envelope needs no copy
    made->envelope = std::shared_ptr<const smtp::envelope>(std::move(content), &message->envelope);
    return made;
  }
  const auto needed = content->content.size() + memory_of(content->envelope);
  const bool is_covered = lease.octets() > 0 && lease.octets() >= content->content.size();
  if (!is_covered || !lease.cover(needed)) {
    made->envelope = std::make_shared<const smtp::envelope>(content->envelope);
    return made;
  }
  lease.shrink(needed);
  // One lease for all who hold the content.
  struct leased {
    std::shared_ptr<const spool::message> content;
    memory_lease lease;
  };
  const auto kept = std::make_shared<leased>();
  kept->content = std::move(content);
  kept->lease = std::move(lease);
  made->content = std::shared_ptr<const spool::message>(kept, message);
  made->envelope = std::shared_ptr<const smtp::envelope>(kept, &message->envelope);
  return made;
}

std::shared_ptr<const queued_message> make_queued(spool::stored_message found) {
  const auto made = std::make_shared<queued_message>();
  made->id = found.id;
  made->arrival = found.arrival;
  made->envelope = std::make_shared<const smtp::envelope>(std::move(found.envelope));
  made->size = found.content_size;
  made->next_hop = std::move(found.next_hop);
  return made;
}

}  // namespace relais::queue
