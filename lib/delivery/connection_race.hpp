// Connects that are under way at the same time, of which one is wanted. What is left when the race
// ends is cut off, and closed if it got through meanwhile.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "delivery/client_session.hpp"
#include "net/task_group.hpp"

namespace relais::delivery {

class connection_race {
 public:
  struct finish {
    std::size_t lane;
    result<std::unique_ptr<net::transport>> connection;
    finish(std::size_t l, result<std::unique_ptr<net::transport>> c)
        : lane(l), connection(std::move(c)) {}
  };

  /// Both outlive the tasks of the group. `limit` is for each connect.
  connection_race(const net::runtime& world, net::task_group& group, duration limit);
  ~connection_race();
  connection_race(const connection_race&) = delete;
  connection_race& operator=(const connection_race&) = delete;

  /// Lanes are numbered from 0 in the order of their starts. Holds to.ticket till its connect ends.
  void start(session_target to);
  /// Started and not finished.
  std::size_t running() const noexcept { return running_; }
  bool is_running(std::size_t lane) const noexcept { return lanes_[lane].is_running; }
  /// The next one to finish; nothing, if none has until then. Precondition: running() > 0.
  net::task<std::optional<finish>> next(std::optional<steady_time> until);

 private:
  struct state;
  struct runner {
    net::task_group::task_id task = 0;
    bool is_running = true;
  };
  static net::task<void> connect(std::shared_ptr<state> race, const net::runtime& world,
                                 session_target to, duration limit, std::size_t lane);

  const net::runtime& world_;
  net::task_group& group_;
  duration limit_;
  std::shared_ptr<state> state_;
  std::vector<runner> lanes_;
  std::size_t running_ = 0;
};

}  // namespace relais::delivery
