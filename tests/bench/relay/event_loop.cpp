#include "bench/relay/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace relais::bench {

std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() {
  ::rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const ::timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

descriptor& descriptor::operator=(descriptor&& from) noexcept {
  if (this != &from) {
    reset();
    fd_ = from.release();
  }
  return *this;
}

void descriptor::reset() {
  if (fd_ >= 0) ::close(release());
}

int descriptor::release() noexcept {
  return std::exchange(fd_, -1);
}

class event_loop::input final : public watched {
 public:
  input(event_loop& loop, std::function<void(const std::string&)> what)
      : loop_(loop), what_(std::move(what)) {}
  void ready(std::uint32_t) override {
    std::array<char, 4096> piece{};
    const auto got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got <= 0) {
      loop_.stop();
      return;
    }
    heard_.append(piece.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = heard_.find('\n')) != std::string::npos;) {
      const auto line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      what_(line);
    }
  }

 private:
  event_loop& loop_;
  std::function<void(const std::string&)> what_;
  std::string heard_;
};

event_loop::event_loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

void event_loop::watch(int fd, std::uint32_t events, watched& who) {
  ::epoll_event event{.events = events, .data = {.ptr = &who}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::system_category(), "epoll_ctl");
  }
}

void event_loop::change(int fd, std::uint32_t events, watched& who) {
  ::epoll_event event{.events = events, .data = {.ptr = &who}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void event_loop::at(std::int64_t time, std::function<void()> what) {
  timers_.push({time, order_++, std::move(what)});
}

void event_loop::on_input(std::function<void(const std::string&)> what) {
  input_ = std::make_unique<input>(*this, std::move(what));
  watch(STDIN_FILENO, EPOLLIN, *input_);
}

void event_loop::fire_timers() {
  while (!timers_.empty() && timers_.top().time <= now_ns() && !stopped_) {
    const auto what = timers_.top().what;
    timers_.pop();
    what();
  }
}

void event_loop::run() {
  std::array<::epoll_event, 256> events{};
  constexpr std::int64_t second = 1'000'000'000;
  while (!stopped_) {
    fire_timers();
    graveyard_.clear();
    if (stopped_) return;
    const auto wait =
        timers_.empty() ? second : std::max(timers_.top().time - now_ns(), std::int64_t{0});
    const ::timespec limit{.tv_sec = wait / second, .tv_nsec = wait % second};
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), &limit, nullptr);
    for (int i = 0; i < count && !stopped_; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      static_cast<watched*>(event.data.ptr)->ready(event.events);
    }
    graveyard_.clear();
  }
}

}  // namespace relais::bench
