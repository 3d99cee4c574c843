#include "bench/life_cycle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bench/bench.hpp"

namespace relais::bench {

life_cycle::life_cycle(spool::store& store, message_source& source, std::size_t size)
    : store_(store), source_(source), size_(size), thread_([this] { work(); }) {}

life_cycle::~life_cycle() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void life_cycle::fills(bool yes) {
  wait();
  const std::lock_guard lock(mutex_);
  fills_ = yes;
}

void life_cycle::acknowledged(std::span<const queue_id> ids) {
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return waiting_.size() < backlog; });
    waiting_.insert(waiting_.end(), ids.begin(), ids.end());
  }
  wake_.notify_one();
}

void life_cycle::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

std::size_t life_cycle::pending() const {
  const std::lock_guard lock(mutex_);
  return pending_.size();
}

std::uint64_t life_cycle::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

void life_cycle::work() {
  std::vector<queue_id> some;
  for (;;) {
    bool fills = false;
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      idle_.notify_all();
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto count = std::min<std::size_t>(waiting_.size(), 256);
      some.assign(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      busy_ = true;
      fills = fills_;
    }
    for (const auto id : some) {
      if (fills) {
        join_pending(id);
      } else {
        deal_with(id);
      }
    }
  }
}

void life_cycle::deal_with(queue_id id) {
  if (dice_.below(10) != 0) {
    read_and_deliver(id);
    return;
  }
  read(id);
  join_pending(id);
  const auto leaves = dice_.below(pending_.size());
  read_and_deliver(std::exchange(pending_[leaves], pending_.back()).id);
  pending_.pop_back();
  auto& again = pending_[dice_.below(pending_.size())];
  ++again.attempts;
  defer(again);
}

void life_cycle::join_pending(queue_id id) {
  pending_.push_back({id, 1});
  defer(pending_.back());
}

void life_cycle::read_and_deliver(queue_id id) {
  read(id);
  store_.settle(delivered(id));
}

void life_cycle::read(queue_id id) {
  const auto m = store_.read(id);
  if (!m)
    broken(fmt::format("an acknowledged message cannot be read: {} {}", id.text(),
                       m.error().message()));
  if ((*m)->id != id || !source_.is_intact(**m, size_)) {
    broken("an acknowledged message reads differently: " + id.text());
  }
  ++reads_;
}

void life_cycle::defer(const survivor& s) {
  store_.settle(deferred(s.id, s.attempts, source_.wall() + std::chrono::minutes(5)));
}

namespace {

struct life_shape {
  std::size_t pending = 0;
  double seconds = 0;
};

struct living_store {
  subject s;
  life_cycle life;
  closed_loop loop;

  living_store(context& c, const std::string& folder, std::size_t size)
      : s(folder, {.observed = true}),
        life(s.store(), c.source, size),
        loop(s.store(), c.source, life, s.account()) {}
};

constexpr std::size_t size = 10u << 10;

void fill(context& c, living_store& l, std::size_t pending) {
  l.life.fills(true);
  l.loop.run({.size = size, .outstanding = 200, .messages = pending});
  l.life.fills(false);
  // Turns every segment over once, so that the rounds run in recycled ones.
  const auto segment = spool::store_options{}.segment_size;
  const auto start = l.s.store().status().octets_written;
  const auto begin = now();
  for (;;) {
    l.loop.run({.size = size, .outstanding = 200, .seconds = 0.5});
    const auto status = l.s.store().status();
    const auto all = (status.segments_used + status.segments_free) * segment;
    if (status.octets_written - start > all) break;
    if (static_cast<double>(now() - begin) / 1e9 > 20 + 2 * c.options.life_seconds) break;
  }
  l.life.wait();
}

void check_nothing_lost(living_store& l) {
  l.life.wait();
  l.s.flush();
  const auto there = l.s.store().status().messages;
  if (there != l.life.pending()) {
    broken(fmt::format("{} messages in the spool, {} are pending", there, l.life.pending()));
  }
}

/// The worst waits with what the disk was doing: on stderr, for the one who looks for a cause.
void explain(const living_store& l, std::vector<late_one> late) {
  constexpr std::size_t most_shown = 8;
  std::ranges::sort(late, std::ranges::greater{}, &late_one::took);
  if (late.size() > most_shown) late.resize(most_shown);
  for (const auto& one : late) {
    fmt::print(stderr, "  acknowledged after {:.1f} ms{}\n", static_cast<double>(one.took) / 1e6,
               l.s.account()->explain(one.began, one.began + one.took));
  }
}

measure live(context& c, living_store& l, const case_shape& shape, double seconds) {
  const auto before = l.s.store().status();
  const auto reads = l.life.reads();
  std::uint64_t accepted = 0;
  std::vector<late_one> late;
  auto m = take_rounds(c, shape, [&] {
    auto r = metered(c, &l.s.store(), [&] {
      auto load = l.loop.run({.size = size, .outstanding = shape.outstanding, .seconds = seconds});
      l.life.wait();
      return load;
    });
    accepted += r.load.latency.count();
    late.insert(late.end(), r.load.late.begin(), r.load.late.end());
    return r;
  });
  check_nothing_lost(l);
  explain(l, std::move(late));
  const auto after = l.s.store().status();
  m.values["reads"] = static_cast<double>(l.life.reads() - reads) / static_cast<double>(accepted);
  m.values["compacted"] = static_cast<double>(after.octets_compacted - before.octets_compacted) /
                          static_cast<double>(accepted * size);
  m.values["checkpoints"] = static_cast<double>(after.checkpoints - before.checkpoints);
  m.values["segments_used"] = static_cast<double>(after.segments_used);
  m.values["segments_free"] = static_cast<double>(after.segments_free);
  m.values["live_octets"] = static_cast<double>(after.live_octets);
  m.values["index_octets_per_message"] =
      static_cast<double>(after.memory) /
      static_cast<double>(std::max<std::uint64_t>(after.messages, 1));
  const auto& raw = c.probe.latency(probe_size::large);
  m.values["raw_1m_max_ms"] = raw.max_ms();
  m.values["raw_1m_p999_ms"] = raw.quantile_ms(0.999);
  return m;
}

void live_with(context& c, std::size_t pending, double seconds, bool life, bool stalls) {
  const auto folder = c.folder("life");
  {
    living_store l(c, folder, size);
    fill(c, l, pending);
    if (life) {
      const case_shape shape{
          fmt::format("life/{}", pending),
          fmt::format("full life, {} pending", spelled(static_cast<double>(pending))), size, 200};
      auto m = live(c, l, shape, seconds);
      m.values["disk_octets"] = disk_octets(folder);
      c.results.add(std::move(m));
    }
    if (stalls) {
      // Few outstanding: what is late is late because of something, not because of the others.
      auto m = live(c, l, {"stalls", "stalls, 8 outstanding", size, 8}, seconds / 2);
      m.note = "full life; outside_disk: without the time that the committer was in the disk";
      c.results.add(std::move(m));
    }
  }
  c.remove("life");
}

}  // namespace

void bench_life(context& c) {
  if (c.options.wants("life/1000")) {
    live_with(c, 1000, c.options.life_seconds / 3, true, false);
  }
  const auto many = fmt::format("life/{}", c.options.pending);
  const bool life = c.options.wants(many);
  const bool stalls = c.options.wants("stalls");
  if (life || stalls) live_with(c, c.options.pending, c.options.life_seconds, life, stalls);
}

}  // namespace relais::bench
