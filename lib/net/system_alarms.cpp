// Alarms of the real world on asio::steady_timer. An alarm that is only moved to a later time
// leaves the running timer alone and waits again when that rings: sessions push their deadline on
// with every command.
#include <boost/asio/steady_timer.hpp>

#include "net/runtime.hpp"

namespace relais::net {
namespace {

class system_alarm final : public alarm {
 public:
  system_alarm(const asio::any_io_executor& executor, std::function<void()> ring)
      : state_(std::make_shared<state>(executor, std::move(ring))) {}
  ~system_alarm() override {
    state_->ring = nullptr;
    clear();
  }
  system_alarm(const system_alarm&) = delete;
  system_alarm& operator=(const system_alarm&) = delete;

  void set(steady_time at) override {
    state_->due = at;
    if (state_->waiting && state_->armed <= at) return;
    wait(state_);
  }

  void clear() override {
    state_->due = steady_time::max();
    state_->armed = steady_time::max();
    state_->waiting = false;
    ++state_->generation;
    state_->timer.cancel();
  }

 private:
  // Shared with the pending handler: it may still be queued when the alarm is gone.
  struct state {
    state(const asio::any_io_executor& executor, std::function<void()> r)
        : timer(executor), ring(std::move(r)) {}
    asio::steady_timer timer;
    std::function<void()> ring;
    steady_time due = steady_time::max();
    steady_time armed = steady_time::max();
    unsigned generation = 0;  // of the wait that counts; older handlers are stale
    bool waiting = false;
  };

  static void wait(const std::shared_ptr<state>& s) {
    s->armed = s->due;
    s->waiting = true;
    const auto generation = ++s->generation;
    s->timer.expires_at(s->due);
    s->timer.async_wait([s, generation](error_code) {
      if (generation != s->generation || !s->ring) return;
      s->waiting = false;
      if (asio::steady_timer::clock_type::now() < s->due) return wait(s);
      // The callback may destroy the alarm, so it is called from a copy.
      const auto ring = s->ring;
      ring();
    });
  }

  std::shared_ptr<state> state_;
};

class system_alarms final : public alarms {
 public:
  explicit system_alarms(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  std::unique_ptr<alarm> make(std::function<void()> ring) override {
    return std::make_unique<system_alarm>(executor_, std::move(ring));
  }

 private:
  asio::any_io_executor executor_;
};

}  // namespace

std::unique_ptr<alarms> make_system_alarms(asio::any_io_executor executor) {
  return std::make_unique<system_alarms>(std::move(executor));
}

}  // namespace relais::net
