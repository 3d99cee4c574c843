// From a message to jobs: asks the routes for every pending recipient, groups those of one next
// hop, and hands each group to the worker that owns that destination (by hash). One per worker;
// add() belongs to that worker. What crosses workers is posted by value.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "net/runtime.hpp"
#include "policy/route.hpp"
#include "queue/scheduler.hpp"

namespace relais::queue {

/// One worker's schedule as the others see it.
struct schedule_of_worker {
  const net::runtime* world = nullptr;
  queue::scheduler* scheduler = nullptr;
};

/// A hot job of some recipients of a message, due at once: for scheduler::add().
new_job job_for(std::shared_ptr<const queued_message> message, std::vector<std::size_t> recipients);

class dispatcher {
 public:
  /// `self`: index of this worker in `all`. All outlive it.
  dispatcher(std::size_t self, std::vector<schedule_of_worker> all, const policy::routes& routes);

  /// Fresh from a session, or a report; first attempt at once, or at hold_until.
  void add(const std::shared_ptr<const queued_message>& message);
  /// What the spool held: cold jobs for its pending recipients. No attempt is further away than
  /// `longest_wait`: one that is was planned by a clock that ran ahead; but hold_until counts.
  /// Held messages are not taken.
  void add(const spool::stored_message& found, duration longest_wait);
  /// A job for which scheduler::wants_fallback() holds goes by the fallback hosts of its route, at
  /// once. It leaves `from` (no finished() besides).
  void to_fallback(destination& from, delivery_job job);
  /// To the worker that owns the hop.
  void hand(policy::next_hop hop, new_job job);
  std::size_t owner_of(const policy::next_hop& hop) const noexcept;

 private:
  policy::next_hop next_hop_of(const smtp::envelope& envelope, std::size_t recipient,
                               const std::string& rerouted) const;
  std::size_t self_;
  std::vector<schedule_of_worker> all_;
  const policy::routes& routes_;
};

}  // namespace relais::queue
