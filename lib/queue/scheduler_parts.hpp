// What the scheduler works on, and the steps that its functions share. Included by scheduler*.cpp
// only.
#pragma once

#include <string_view>
#include <unordered_set>
#include <utility>

#include "queue/job_record.hpp"
#include "queue/scheduler.hpp"

namespace relais::queue {

struct scheduler::parts {
  static constexpr steady_time never = steady_time::max();
  /// Steps of work between two looks at other things.
  static constexpr std::size_t stride = 4096;
  /// Of an open destination: so many stalled jobs are sorted into the lanes at a time.
  static constexpr std::size_t refill_below = 256, refill_to = 1024;
  static constexpr std::size_t longest_reason = 160;

  parts(const net::runtime& world_in, const policy::routes& routes_in, spool::store& store_in);

  // --- destinations: scheduler_events.cpp
  destination* find(const policy::next_hop& hop) noexcept;
  destination& obtain(const policy::next_hop& hop);
  /// Nothing to remember: the record goes. True: it is gone.
  bool drop_if_idle(destination& d, steady_time now);
  void explain(destination& d, std::string_view reason);
  /// The time of its pause or of an operator's hand is over.
  void reopen(destination& d, steady_time now);
  /// Its next event may be another one now.
  void touch(destination& d);
  /// Calls on_ready(), if there is something to do. The destination may be gone then.
  void announce(destination& d);
  void arm();
  void ring();
  steady_time next_event(const destination& d) const;
  std::size_t happen(destination& d, steady_time now, std::size_t budget);

  // --- jobs: scheduler.cpp
  /// Where a job goes that may go: to the lanes, or, if the destination is closed and the job's
  /// sender knows, to the stalled ones. The caller calls touch().
  void enter_ready(destination& d, handle job, steady_time now);
  void hold_back(destination& d, handle job, steady_time due);
  void let_some_go(steady_time now);
  void enter_waiting(destination& d, handle job, steady_time due);
  void enter_stalled(destination& d, handle job, steady_time deadline);
  handle pop_stalled(destination& d);
  /// Keeps enough jobs in the lanes of an open destination.
  void refill(destination& d, steady_time now);
  /// Out of wherever it stands; the record is still there.
  void detach(handle job);
  void drop(handle job);
  void make_cold(job_record& r);
  void make_hot(job_record& r, std::shared_ptr<const queued_message> message);
  void set_recipients(job_record& r, const std::size_t* first, std::size_t count);
  std::vector<std::size_t> recipients_of(const job_record& r) const;
  std::optional<delivery_job> hand_over(destination& d, handle job);
  std::optional<delivery_job> take_open(destination& d);
  std::optional<delivery_job> take_probe(destination& d, steady_time now);
  bool is_to_be_seen(const destination& d, const job_record& r, steady_time now) const;
  bool wants_fallback(const destination& d, queue_id id, std::uint32_t attempts) const;
  steady_time deadline(const destination& d, queue_id id, unsigned warnings, bool is_report) const;
  steady_time deadline(const destination& d, const job_record& r) const {
    return deadline(d, r.id, r.warnings, r.is_report != 0);
  }
  steady_time due_at(wall_time at) const;
  std::uint64_t burden_of(const job_record& r) const noexcept;

  // Found by next hop, without a second copy of it.
  struct hop_of {
    const slab<destination>* all;
    const policy::next_hop& operator()(const policy::next_hop& hop) const noexcept { return hop; }
    const policy::next_hop& operator()(handle h) const noexcept { return (*all)[h].hop; }
  };
  struct hop_hash {
    using is_transparent = void;
    hop_of hop;
    template <class Key>
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<policy::next_hop>{}(hop(key));
    }
  };
  struct hop_equal {
    using is_transparent = void;
    hop_of hop;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return hop(a) == hop(b);
    }
  };

  const net::runtime& world;
  const policy::routes& routes;
  spool::store& store;
  std::function<void(destination&)> wake;
  bool has_begun = false;
  handle first_held = no_handle;  // from here on jobs may be held back that may go now

  slab<job_record> jobs;
  ready_lanes lanes{jobs};
  leftist_heap<job_record> heap{jobs};
  std::uint64_t burdens = 0;  // octets
  std::uint64_t texts = 0;    // octets: domains and reasons

  slab<destination> destinations;
  leftist_heap<destination> events{destinations};
  handle first_event = no_handle;
  std::unordered_set<handle, hop_hash, hop_equal> table;
  std::unique_ptr<net::alarm> bell;
  steady_time rings_at = never;
};

}  // namespace relais::queue
