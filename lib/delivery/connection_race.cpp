#include "delivery/connection_race.hpp"

#include <deque>

#include "base/error.hpp"

namespace relais::delivery {

// Shared with the connects: they may end behind the race.
struct connection_race::state {
  explicit state(const net::asio::any_io_executor& executor) : changed(executor) {}
  /// Behind the race nobody wants a connection: it is closed by its end.
  void report(std::size_t lane, result<std::unique_ptr<net::transport>> connection) {
    if (is_over) return;
    finished.emplace_back(lane, std::move(connection));
    changed.notify_all();
  }
  net::condition changed;
  std::deque<finish> finished;
  bool is_over = false;
  bool is_late = false;
};

connection_race::connection_race(const net::runtime& world, net::task_group& group, duration limit)
    : world_(world),
      group_(group),
      limit_(limit),
      state_(std::make_shared<state>(world.executor)) {}

connection_race::~connection_race() {
  state_->is_over = true;
  state_->finished.clear();
  for (const auto& lane : lanes_) {
    if (lane.is_running) group_.stop(lane.task);
  }
}

void connection_race::start(session_target to) {
  auto label = "connect to " + to.host.name;
  auto job = connect(state_, world_, std::move(to), limit_, lanes_.size());
  runner started;
  started.task = group_.spawn(std::move(label), std::move(job));
  lanes_.push_back(started);
  ++running_;
}

net::task<void> connection_race::connect(std::shared_ptr<state> race, const net::runtime& world,
                                         session_target to, duration limit, std::size_t lane) {
  // Also when this coroutine is cancelled by the group: whoever waits goes on.
  struct arrival {
    state& race;
    std::size_t lane;
    result<std::unique_ptr<net::transport>> outcome = errc::cancelled;
    arrival(state& r, std::size_t l) : race(r), lane(l) {}
    arrival(const arrival&) = delete;
    arrival& operator=(const arrival&) = delete;
    ~arrival() { race.report(lane, std::move(outcome)); }
  };
  arrival mine(*race, lane);
  if (to.local_path.empty()) {
    const endpoint where{to.host.address, to.port};
    mine.outcome = co_await world.network.connect(where, limit, to.source);
  } else {
    mine.outcome = co_await world.network.connect_local(to.local_path, limit);
  }
}

net::task<std::optional<connection_race::finish>> connection_race::next(
    std::optional<steady_time> until) {
  auto& race = *state_;
  race.is_late = false;
  std::unique_ptr<net::alarm> bell;
  if (until) {
    bell = world_.alarms.make([s = state_] {
      s->is_late = true;
      s->changed.notify_all();
    });
    bell->set(*until);
  }
  while (race.finished.empty() && !race.is_late) co_await race.changed.wait();
  if (race.finished.empty()) co_return std::nullopt;
  auto first = std::move(race.finished.front());
  race.finished.pop_front();
  lanes_[first.lane].is_running = false;
  --running_;
  co_return std::optional<finish>(std::move(first));
}

}  // namespace relais::delivery
