// A message in delivery's hands: its envelope and, while there is room, its content. Immutable, and
// shared by all jobs of the message, on whatever workers these are. A job that has to wait lets go
// of it (a cold job); the truth, and the envelope for the next attempt, is in the spool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/queue_id.hpp"
#include "queue/memory_budget.hpp"
#include "spool/store.hpp"

namespace relais::queue {

struct queued_message {
  queue_id id;
  wall_time arrival;
  std::shared_ptr<const smtp::envelope> envelope;
  std::uint64_t size = 0;
  /// Null: it is read back from the spool (always, if it has a file of its own). Holds its part of
  /// the memory budget.
  std::shared_ptr<const spool::message> content;
  std::string next_hop;  ///< where an operator sends it instead of its route; "" = nowhere

  bool is_report() const noexcept { return envelope->reverse_path.is_null(); }
};

/// A fresh message, just made durable. Large contents, and those whose `lease` does not cover them,
/// stay on disk. The lease grows by what the envelope takes; where it cannot, the content stays
/// too.
std::shared_ptr<const queued_message> make_queued(std::shared_ptr<const spool::message> content,
                                                  memory_lease lease);
/// What the spool still knows of it; without content.
std::shared_ptr<const queued_message> make_queued(spool::stored_message found);

}  // namespace relais::queue
