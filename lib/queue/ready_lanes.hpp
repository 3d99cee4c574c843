// Which ready job of a destination goes first. Three lanes by priority; a higher lane goes first,
// but one that was passed over `patience` times is served. Within a lane each flow (sender) has one
// turn per round, so a bulk sender delays another one's single message by one job.
//
// Nothing is allocated: a lane is a ring of flows, a flow is a list of jobs, both threaded through
// the jobs. Adding looks at the heads of the lane's flows, at most 64, few as a rule.
#pragma once

#include <array>
#include <cstdint>

#include "queue/job_record.hpp"

namespace relais::queue {

/// The part of a destination. A root is the head of the flow that was served last.
struct lane_roots {
  static constexpr std::size_t lanes = 3;
  std::array<handle, lanes> root{no_handle, no_handle, no_handle};
  std::array<std::uint8_t, lanes> passed{};  ///< times that a lane had jobs and another was served
};

class ready_lanes {
 public:
  /// So often at most a lane is passed over while it has jobs.
  static constexpr std::uint8_t patience = 8;

  explicit ready_lanes(slab<job_record>& jobs) : jobs_(jobs) {}

  void push_back(lane_roots& lanes, handle job);
  /// The first one of its lane's next turn.
  void push_front(lane_roots& lanes, handle job);
  /// no_handle: nothing is there.
  handle pop(lane_roots& lanes);
  void erase(lane_roots& lanes, handle job);

 private:
  // Of the head of a flow: the next job, the head of the next flow in the ring, the last job. Of
  // the others: the next job, the one before.
  handle& next(handle h) { return jobs_[h].links.left; }
  handle& before(handle h) { return jobs_[h].links.right; }
  handle& next_flow(handle head) { return jobs_[head].links.right; }
  handle& last(handle head) { return jobs_[head].links.up; }

  struct place {
    handle head = no_handle, flow_before = no_handle;
  };
  place find(handle root, unsigned flow);
  void insert_first(handle& root, handle head);
  void remove_flow(handle& root, place flow);
  void behead(handle& root, place flow);
  std::size_t choose(lane_roots& lanes) const;

  slab<job_record>& jobs_;
};

}  // namespace relais::queue
