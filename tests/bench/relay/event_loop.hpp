// One thread that waits for sockets and timers: epoll by hand, because what the tools of the relay
// benchmark use of the processor is missing to the MTA that is measured beside them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

namespace relais::bench {

/// Nanoseconds of CLOCK_MONOTONIC, the same in all processes of a run (and in Python).
std::int64_t now_ns();
/// User and system time of this process so far.
double processor_seconds();

/// A file descriptor that is closed with its owner; -1: none.
class descriptor {
 public:
  explicit descriptor(int fd = -1) : fd_(fd) {}
  descriptor(descriptor&& from) noexcept : fd_(from.release()) {}
  descriptor& operator=(descriptor&& from) noexcept;
  ~descriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int release() noexcept;
  int fd_;
};

/// What an event loop can tell that its descriptor is ready.
class watched {
 public:
  virtual ~watched() = default;
  /// `events`: EPOLLIN, EPOLLOUT, EPOLLERR and so on. Also called once more after the descriptor
  /// was closed, when it was ready in the same turn.
  virtual void ready(std::uint32_t events) = 0;
};

class event_loop {
 public:
  event_loop();
  /// Begins to watch; `who` must live until the turn after the descriptor is closed, see bury().
  void watch(int fd, std::uint32_t events, watched& who);
  void change(int fd, std::uint32_t events, watched& who);
  /// Keeps `dead` until this turn is over: events of the same turn may still name it.
  void bury(std::unique_ptr<watched> dead) { graveyard_.push_back(std::move(dead)); }
  /// Calls `what` once, at that time of now_ns().
  void at(std::int64_t time, std::function<void()> what);
  /// Calls `what` for each line of standard input; its end, SIGTERM and SIGINT stop the loop.
  void on_input(std::function<void(const std::string&)> what);
  void run();
  void stop() { stopped_ = true; }

 private:
  struct timer {
    std::int64_t time;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const timer& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };
  class input;
  void fire_timers();

  descriptor epoll_;
  std::priority_queue<timer> timers_;
  std::uint64_t order_ = 0;
  std::vector<std::unique_ptr<watched>> graveyard_;
  std::unique_ptr<watched> input_;
  bool stopped_ = false;
};

}  // namespace relais::bench
