// The schedule as it would be written without a thought for a million messages: lists that are
// searched. What scheduler promises is compared with it, operation by operation.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "unit/queue/schedule_scene.hpp"

namespace relais::testing {

struct model_job {
  queue_id id;
  policy::next_hop hop;
  std::vector<std::size_t> recipients;
  std::uint32_t attempts = 0;
  unsigned warnings = 0;
  std::size_t lane = 1;
  unsigned flow = 0;
  bool is_report = false;
  std::shared_ptr<const queue::queued_message> message;  ///< while it is hot
  queue::job_view::state state = queue::job_view::state::ready;
  bool is_withdrawn = false;
  bool is_overdue = false;  ///< the deadline that it was stalled with has come
  steady_time at{};
};

struct model_destination {
  struct flow {
    unsigned number = 0;
    std::vector<queue_id> jobs;
  };
  queue::destination_state state = queue::destination_state::open;
  steady_time until{};
  unsigned failures = 0;
  std::optional<queue_id> probe;
  std::size_t leaving = 0;
  std::array<std::vector<flow>, 3> lanes;  ///< flows in the order of their turns
  std::array<unsigned, 3> passed{};
};

class schedule_model {
 public:
  explicit schedule_model(schedule_scene& scene) : scene_(scene) {}

  std::map<queue_id, model_job> jobs;
  std::map<policy::next_hop, model_destination> destinations;

  void add(model_job job, steady_time due);
  std::optional<model_job> take(const policy::next_hop& from);
  std::optional<model_job> take_overdue(const policy::next_hop& from);
  void postpone(queue_id id, steady_time due);
  void stall(queue_id id, steady_time deadline);
  void put_back(queue_id id);
  void finished(queue_id id);
  void down(const policy::next_hop& hop, steady_time until);
  void up(const policy::next_hop& hop);
  void pause(const policy::next_hop& hop, steady_time until);
  void suspend(const policy::next_hop& hop);
  void resume(const policy::next_hop& hop);
  void withdraw(queue_id id);
  void hurry(queue_id id);
  /// What happened by itself until now; call it at each time at which something may.
  void pass_time();
  std::optional<steady_time> next_event() const;

  std::size_t count(const policy::next_hop& hop, queue::job_view::state state) const;
  bool has_work(const policy::next_hop& hop) const;
  bool has_overdue(const policy::next_hop& hop) const;
  steady_time deadline(const model_job& job) const;

 private:
  using state = queue::job_view::state;
  steady_time now() const { return scene_.clock.now(); }
  bool wants_fallback(const model_job& job) const;
  bool is_to_be_seen(const model_job& job) const;
  void enter_ready(model_job& job);
  void enter_stalled(model_job& job, steady_time deadline);
  std::optional<queue_id> pop_ready(model_destination& d);
  std::optional<queue_id> first(const policy::next_hop& hop, state of) const;
  queue_id pop_stalled(const policy::next_hop& hop);
  void reopen(const policy::next_hop& hop);
  std::optional<model_job> hand_over(queue_id id);
  /// False: it was withdrawn.
  bool claim(model_job& job);

  schedule_scene& scene_;
};

}  // namespace relais::testing
