// Moods, connections, and how often it is tried while it is dead. See the header.
#include "soak/next_hop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "soak/bounds.hpp"

namespace relais::soak {

using namespace std::chrono_literals;

std::string_view to_text(mood m) noexcept {
  constexpr std::array<std::string_view, 9> names{"good",     "slow",       "breaking",
                                                  "storm",    "deferring",  "turning_away",
                                                  "refusing", "black_hole", "mute"};
  return names[static_cast<std::size_t>(m)];
}

next_hop::next_hop(testing::sim_world& world, ledger& books, ip_address address, std::string name,
                   habits ways)
    : world_(world),
      books_(books),
      address_(address),
      name_(std::move(name)),
      ways_(ways),
      here_(world.runtime(address)),
      sessions_(here_, [](const std::string& label, const std::string& what) {
        throw std::runtime_error(label + ": " + what);
      }) {
  moods_.push_back({world_.clock.now(), mood::good});
  listen();
}

void next_hop::listen() {
  const endpoint at{address_, 25};
  listener_ = *here_.network.listen(at, false);
  sessions_.spawn("accept", accept(*listener_));
}

void next_hop::stop() {
  if (listener_) listener_->close();
  sessions_.stop();
}

void next_hop::become(mood m) {
  if (m == mood_) return;
  if (is_dead(m) && !is_dead(mood_)) relay_restarted();
  world_.connect_takes.erase(address_);
  if (m == mood::black_hole) world_.connect_takes[address_] = 1h;
  if (m == mood::refusing) {
    listener_->close();
  } else if (mood_ == mood::refusing) {
    listen();
  }
  mood_ = m;
  moods_.push_back({world_.clock.now(), m});
}

void next_hop::relay_restarted() {
  unknown_until_.reset();
  probes_.clear();
  probes_so_far_ = 0;
}

bool next_hop::was_good(steady_time from, steady_time until) const {
  auto last = mood::good;
  for (const auto& c : moods_) {
    if (c.when > until) break;
    if (c.when >= from && (c.to != mood::good || last != mood::good)) return false;
    last = c.to;
  }
  return last == mood::good;
}

// One probe per interval, whatever waits: between two connections lies the interval behind so many
// failures. Of several domains each has its own count, and begins with as many as an unknown one
// may have, so all that is known is that not more than these come in the first interval. Where
// another host does the work, the domain is not dead, and every session that begins may look at
// this one (once in delivery.host_retry).
void next_hop::is_tried() {
  const auto now = world_.clock.now();
  if (!is_dead(mood_)) return;
  if (!unknown_until_) unknown_until_ = now + bounds::finding_out;
  if (now < *unknown_until_) return;
  // Nothing had waited any more, so it had been forgotten.
  const bool is_new = !probes_.empty() && now - probes_.back() > bounds::longest_interval;
  if (is_new) probes_so_far_ = 0;
  probes_.push_back(now);
  ++probes_so_far_;
  auto at_once = ways_.domains;
  if (ways_.domains > 1) at_once *= bounds::initial_connections;
  if (ways_.has_backup) at_once = ways_.domains * ways_.connections;
  if (probes_.size() <= at_once) return;
  const auto least = bounds::probe_interval(at_once == 1 && !is_new ? probes_so_far_ - 1 : 1);
  const auto gap = now - probes_.front();
  probes_.pop_front();
  if (gap >= least) return;
  books_.complain(fmt::format(
      "{}, {} in hour {}: tried again behind {} s, probe {}, instead of {} s", name_,
      to_text(mood_), now.time_since_epoch() / 1h, gap / 1s, probes_so_far_, least / 1s));
}

// The acceptor may be closed and replaced while this waits.
net::task<void> next_hop::accept(net::acceptor& listener) {
  for (;;) {
    auto accepted = co_await listener.accept();
    if (!accepted) co_return;
    sessions_.spawn("session", serve(std::move(*accepted)));
  }
}

net::task<void> next_hop::swallow(net::stream& stream) {
  std::string ignored(4096, '\0');
  const auto target = net::asio::buffer(ignored);
  while (co_await stream.read_some(target)) {
  }
}

}  // namespace relais::soak
