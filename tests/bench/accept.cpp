// Acceptance: how many messages become durable per second, and how long each waits for it. The log
// is warm (every segment has been written before) and stays so, because each message is delivered
// when 64 MiB of later ones have been accepted; settling it is part of what is measured.
#include <fmt/format.h>

#include <algorithm>

#include "bench/bench.hpp"
#include "bench/file_per_message.hpp"

namespace relais::bench {
namespace {

constexpr std::size_t sizes[] = {2u << 10, 10u << 10, 100u << 10, 1u << 20};
constexpr std::size_t outstandings[] = {1, 8, 50, 200, 1000};
constexpr std::uint64_t live_octets = 64u << 20;

std::size_t lag_of(std::size_t size) {
  return std::max<std::size_t>(live_octets / size, 16);
}

case_shape shape_of(const char* kind, const char* title, std::size_t size,
                    std::size_t outstanding) {
  return {fmt::format("{}/{}/{}", kind, short_size(size), outstanding),
          fmt::format("{} {}, {} outstanding", title, long_size(size), outstanding), size,
          outstanding};
}

/// Whether a case is wanted that the generator's own cost is subtracted from.
bool wants_load(const run_options& options, std::size_t size) {
  if (size == 10u << 10 && (options.wants("life/1000") || options.wants("life/200000")))
    return true;
  return std::ranges::any_of(outstandings, [&](std::size_t n) {
    return options.wants(shape_of("accept", "", size, n).id);
  });
}

/// Until the log runs in segments that have all been written before.
void warm_up(context& c, subject& s, double most_seconds) {
  lagging_delivery after(s.store(), lag_of(10u << 10));
  closed_loop loop(s.store(), c.source, after, nullptr);
  const auto segment = spool::store_options{}.segment_size;
  const auto begin = now();
  for (;;) {
    loop.run({.size = 10u << 10, .outstanding = 200, .seconds = 0.25});
    const auto status = s.store().status();
    const auto all = (status.segments_used + status.segments_free) * segment;
    const auto spent = static_cast<double>(now() - begin) / 1e9;
    if (status.octets_written > 2 * all || spent > most_seconds) break;
  }
  after.deliver_rest();
  s.flush();
}

void accept_case(context& c, subject& s, const case_shape& shape) {
  const auto lag = c.options.settles_in_round ? lag_of(shape.size) : SIZE_MAX;
  lagging_delivery after(s.store(), lag);
  closed_loop loop(s.store(), c.source, after, s.account());
  if (c.options.settles_in_round) {
    loop.run({.size = shape.size, .outstanding = shape.outstanding, .messages = lag});
  }
  std::uint64_t acknowledged = 0;
  std::uint64_t settled = 0;
  auto m = take_rounds(c, shape, [&] {
    const auto settled_before = after.settled();
    auto r = metered(c, &s.store(), [&] {
      return loop.run(
          {.size = shape.size, .outstanding = shape.outstanding, .seconds = c.options.seconds});
    });
    acknowledged += r.load.latency.count();
    settled += after.settled() - settled_before;
    if (!c.options.settles_in_round) after.deliver_rest();
    s.flush();
    return r;
  });
  m.note = fmt::format("{:.0f} % as many were delivered meanwhile",
                       static_cast<double>(settled) / static_cast<double>(acknowledged) * 100);
  c.results.add(std::move(m));
  after.deliver_rest();
  s.flush();
}

}  // namespace

void bench_generator(context& c) {
  class nothing final : public afterlife {
    void acknowledged(std::span<const queue_id>) override {}
  };
  for (const auto size : sizes) {
    const case_shape shape{"generator/" + short_size(size),
                           "load generator alone, " + long_size(size), size,
                           size == 1u << 20 ? 8u : 200u};
    if (!c.options.wants(shape.id) && !wants_load(c.options, size)) continue;
    const auto committer = spool::make_thread_runner();
    const auto store = make_null_store(*committer, shape.outstanding);
    nothing after;
    closed_loop loop(*store, c.source, after, nullptr);
    auto m = take_rounds(c, shape, [&] {
      return metered(c, nullptr, [&] {
        return loop.run(
            {.size = size, .outstanding = shape.outstanding, .seconds = c.options.seconds / 2});
      });
    });
    m.raw_octets = 0;
    m.ratio = 0;
    c.results.add(std::move(m));
  }
}

void bench_accept(context& c) {
  std::vector<case_shape> shapes;
  for (const auto size : sizes) {
    for (const auto outstanding : outstandings) {
      const auto shape = shape_of("accept", "accept", size, outstanding);
      if (c.options.wants(shape.id)) shapes.push_back(shape);
    }
  }
  if (shapes.empty()) return;
  {
    subject s(c.folder("log"), {});
    warm_up(c, s, 15);
    for (const auto& shape : shapes) accept_case(c, s, shape);
    const auto left = s.store().status().messages;
    if (left != 0) broken(fmt::format("{} messages are left, all were delivered", left));
  }
  c.remove("log");
}

void bench_files(context& c) {
  for (const auto size : sizes) {
    for (const auto outstanding : {1u, 8u, 50u, 200u}) {
      const auto shape = shape_of("files", "one file per message", size, outstanding);
      if (!c.options.wants(shape.id)) continue;
      const auto folder = c.folder("files");
      c.results.add(take_rounds(c, shape, [&] {
        auto r = metered(c, nullptr, [&] {
          return write_files(folder, c.source, size, outstanding, c.options.seconds);
        });
        remove_files(folder);
        return r;
      }));
    }
  }
  c.remove("files");
}

void bench_slow_flush(context& c) {
  constexpr std::chrono::milliseconds flush_takes{2};
  constexpr std::size_t size = 10u << 10;
  std::vector<std::size_t> wanted;
  for (const std::size_t n : {1u, 50u, 200u}) {
    if (c.options.wants(fmt::format("slow/{}", n))) wanted.push_back(n);
  }
  if (wanted.empty()) return;
  {
    subject s(c.folder("slow"), {.flush_takes = flush_takes});
    warm_up(c, s, 30);
    lagging_delivery after(s.store(), lag_of(size));
    closed_loop loop(s.store(), c.source, after, s.account());
    for (const auto outstanding : wanted) {
      const case_shape shape{fmt::format("slow/{}", outstanding),
                             fmt::format("2 ms per flush, {} outstanding", outstanding), size,
                             outstanding};
      auto m = take_rounds(c, shape, [&] {
        return metered(c, &s.store(), [&] {
          return loop.run({.size = size, .outstanding = outstanding, .seconds = c.options.seconds});
        });
      });
      m.raw_octets = 0;  // the flush is what it waits for, and that is made
      const double theory = static_cast<double>(outstanding) / 2e-3;
      m.ratio = m.values["rate"] / theory;
      m.note = fmt::format("ratio to {} / 2 ms = {} per s", outstanding, spelled(theory));
      c.results.add(std::move(m));
    }
    after.deliver_rest();
  }
  c.remove("slow");
}

}  // namespace relais::bench
