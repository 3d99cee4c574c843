#include "bench/relay/proxy.hpp"

#include <sys/epoll.h>

#include <memory>
#include <system_error>
#include <utility>

namespace relais::bench {
namespace {

class wire_end;

/// What both ends of one proxied connection, and the timers on the way, share.
struct wire {
  wire_end* ends[2] = {nullptr, nullptr};
  std::int64_t delay = 0;
};

class wire_end final : public connection {
 public:
  wire_end(event_loop& loop, descriptor socket, bool is_connected, std::shared_ptr<wire> all,
           int side)
      : connection(loop, std::move(socket), is_connected), wire_(std::move(all)), side_(side) {
    wire_->ends[side_] = this;
    acknowledge_at_once();
  }

 private:
  void connected() override {}

  void received() override {
    later([octets = std::exchange(arrived_, {})](wire_end& other) { other.send(octets); });
  }

  void ended(const std::string&) override {
    later([](wire_end& other) { other.hang_up(); });
    hang_up();
  }

  void hang_up() {
    if (!is_open()) return;
    close();
    wire_->ends[side_] = nullptr;
    loop_.bury(std::unique_ptr<watched>(this));
  }

  template <typename Action>
  void later(Action action) {
    loop_.at(now_ns() + wire_->delay, [all = wire_, other = 1 - side_, action = std::move(action)] {
      if (all->ends[other] != nullptr) action(*all->ends[other]);
    });
  }

  std::shared_ptr<wire> wire_;
  int side_;
};

}  // namespace

proxy::proxy(event_loop& loop, proxy_options options)
    : loop_(loop), options_(options), listener_(listen_at(options_.where)) {
  loop_.watch(listener_.get(), EPOLLIN, *this);
}

void proxy::ready(std::uint32_t) {
  while (descriptor socket = accept_from(listener_)) {
    auto all = std::make_shared<wire>();
    all->delay = static_cast<std::int64_t>(options_.delay * 1e9);
    // Both bury themselves when the connection has ended.
    new wire_end(loop_, begin_connect(options_.target), false, all, 1);
    new wire_end(loop_, std::move(socket), true, all, 0);
  }
}

}  // namespace relais::bench
