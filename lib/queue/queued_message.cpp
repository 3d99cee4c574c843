#include "queue/queued_message.hpp"

namespace relais::queue {

std::shared_ptr<queued_message> make_queued(std::shared_ptr<const spool::message> content,
                                            memory_lease lease) {
  auto made = std::make_shared<queued_message>();
  made->id = content->id;
  made->arrival = content->arrival;
  made->envelope = std::make_shared<const smtp::envelope>(content->envelope);
  made->size = content->content.size();
  made->recipients.resize(content->envelope.forward_paths.size());
  made->content = std::move(content);
  made->lease = std::move(lease);
  return made;
}

std::shared_ptr<queued_message> make_queued(spool::recovered_message found) {
  auto made = std::make_shared<queued_message>();
  made->id = found.id;
  made->arrival = found.arrival;
  made->envelope = std::make_shared<const smtp::envelope>(std::move(found.envelope));
  made->size = found.content_size;
  made->recipients = std::move(found.recipients);
  return made;
}

}  // namespace relais::queue
