// The unit of delivery: some recipients of one message that have the same next hop and travel
// together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "queue/queued_message.hpp"
#include "queue/slab.hpp"

namespace relais::queue {

struct delivery_job {
  std::shared_ptr<const queued_message> message;
  std::vector<std::size_t> recipients;  ///< indexes into the envelope's forward-paths, all pending
  std::uint32_t attempts = 0;           ///< failed ones, so far
  std::uint8_t warnings = 0;            ///< delay reports sent, so far
  steady_time ready_since{};

  delivery_job() = default;

 private:
  friend class scheduler;
  handle record_ = no_handle;  // the scheduler's, while the job is in hand
};

}  // namespace relais::queue
