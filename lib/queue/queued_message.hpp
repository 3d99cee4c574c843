// A message in the queue's memory: envelope, the state of each recipient, and, while there is room,
// its content. The truth is in the spool; this is the working copy of the one worker that owns the
// queue.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/queue_id.hpp"
#include "queue/memory_budget.hpp"
#include "spool/store.hpp"

namespace relais::queue {

struct queued_message {
  queue_id id;
  wall_time arrival;
  std::shared_ptr<const smtp::envelope> envelope;
  std::uint64_t size = 0;
  std::vector<spool::recipient_state> recipients;  ///< as many as envelope->forward_paths
  std::shared_ptr<const spool::message>
      content;  ///< with its memory_lease; null: read it back from the spool (always for a large
                ///< content that has a file of its own)

  bool is_report() const noexcept { return envelope->reverse_path.is_null(); }
  bool is_done() const noexcept {
    for (const auto& r : recipients)
      if (r.status == spool::recipient_status::pending) return false;
    return true;
  }
  void release_content() noexcept { content.reset(); }
};

/// A fresh message, just made durable. Its first attempt is at envelope.hold_until, if that is set.
std::shared_ptr<queued_message> make_queued(std::shared_ptr<const spool::message> content,
                                            memory_lease lease);
/// What the spool held at the start. No attempt is further away than `longest_wait`: one that is
/// was planned by a clock that ran ahead; but hold_until counts.
std::shared_ptr<queued_message> make_queued(spool::stored_message found, wall_time now,
                                            duration longest_wait);

}  // namespace relais::queue
