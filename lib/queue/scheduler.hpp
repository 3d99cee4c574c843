// The order of work in memory: which message waits for which next hop, and until when. Rebuilt from
// the spool at start. Recipients of one message with the same next hop travel together as one job.
// Delivery takes jobs from here and gives them back; what an attempt came to is delivery's matter.
// Belongs to one worker; add() is called there.
#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "net/runtime.hpp"
#include "policy/route.hpp"
#include "queue/queued_message.hpp"

namespace relais::queue {

struct delivery_job {
  std::shared_ptr<queued_message> message;
  std::vector<std::size_t> recipients;  ///< indexes into the envelope's forward-paths, all pending
  steady_time ready_since{};
};

struct destination {
  policy::next_hop hop;
  std::deque<delivery_job> ready;
  std::size_t sessions = 0;   ///< owned by delivery
  std::size_t starting = 0;   ///< owned by delivery: of the sessions, those without a job yet
  std::size_t connected = 0;  ///< owned by delivery: sessions that are set up
  std::size_t limit =
      std::numeric_limits<std::size_t>::max();  ///< owned by delivery: what the peer bears
  bool in_line = false;  ///< owned by delivery: waits for a free connection slot
};

class scheduler {
 public:
  /// At most so many recipients in one transaction: every server takes 100 (RFC 5321 4.5.3.1.8).
  static constexpr std::size_t recipients_per_job = 100;

  scheduler(const net::runtime& world, const policy::routes& routes);

  /// Called whenever a destination has something ready; set before add().
  void on_ready(std::function<void(destination&)> wake) { wake_ = std::move(wake); }
  /// Takes every pending recipient of the message into the schedule, by its next attempt.
  void add(const std::shared_ptr<queued_message>& message);
  /// The job waits until `due`.
  void postpone(destination& to, delivery_job job, steady_time due);
  /// The job goes first again (its connection died before anything was said).
  void put_back(destination& to, delivery_job job);
  std::optional<delivery_job> take(destination& from);
  /// Drops the record of a destination that has neither work nor sessions.
  void release(destination& idle);

  /// When a wall-clock time of the spool will be, on the monotonic clock; the past is now.
  steady_time due_at(wall_time at) const;
  std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  void ring();
  void enqueue(destination& to, delivery_job job);
  destination& find(const policy::next_hop& hop);

  const net::runtime& world_;
  const policy::routes& routes_;
  std::function<void(destination&)> wake_;
  std::map<policy::next_hop, destination> destinations_;  // stable addresses
  struct waiting_job {
    policy::next_hop hop;
    delivery_job job;
  };
  std::multimap<steady_time, waiting_job> waiting_;
  std::unique_ptr<net::alarm> bell_;
};

}  // namespace relais::queue
