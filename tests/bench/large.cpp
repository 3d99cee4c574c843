// Contents that go to a file of their own: a pool of threads writes and syncs the files, as
// blocking work is done in the daemon, then the log commits each by a record.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>

#include "bench/bench.hpp"

namespace relais::bench {
namespace {

constexpr std::size_t size = 1u << 20;
constexpr std::size_t piece = 64u << 10;  // as it arrives from the network
constexpr std::size_t threads = 8;

class large_load final : public spool::completion_sink {
 public:
  large_load(spool::store& store, message_source& source, std::size_t outstanding)
      : store_(store),
        source_(source),
        outstanding_(outstanding),
        free_(static_cast<std::ptrdiff_t>(outstanding)),
        after_(store, 64) {}

  load_result run(double seconds) {
    sum_ = {};
    const auto begin = now();
    end_ = begin + static_cast<nanos>(seconds * 1e9);
    std::vector<std::thread> pool;
    for (std::size_t i = 0; i < std::min(threads, outstanding_); ++i) {
      pool.emplace_back([this] {
        while (now() < end_) write_one();
      });
    }
    for (auto& t : pool) t.join();
    // All acknowledged: every place is free again.
    for (std::size_t i = 0; i < outstanding_; ++i) free_.acquire();
    free_.release(static_cast<std::ptrdiff_t>(outstanding_));
    sum_.seconds = seconds;
    return std::move(sum_);
  }

  void complete(std::vector<spool::completion> batch) override {
    const auto at = now();
    const std::lock_guard lock(mutex_);
    for (const auto& done : batch) {
      if (done.error) broken("append of a large message: " + done.error.message());
      const auto began = waiting_.extract(done.token);
      if (began.empty()) broken("a completion that nobody waits for");
      sum_.latency.add(at - began.mapped());
      if (at <= end_) ++sum_.acknowledged;
      durable_.push_back({done.token});
    }
    free_.release(static_cast<std::ptrdiff_t>(batch.size()));
  }

  void deliver_rest() {
    settle_some();
    after_.deliver_rest();
  }

 private:
  void write_one() {
    free_.acquire();
    const auto made = source_.make_empty();
    auto writer = store_.create_large(made->id);
    if (!writer) broken("create_large: " + writer.error().message());
    const auto content = source_.content_of(made->id, size);
    for (std::size_t at = 0; at < size; at += piece) {
      if (const auto error = (*writer)->write(content.substr(at, piece))) {
        broken("write of a large message: " + error.message());
      }
    }
    // The end of data: from here on the client waits.
    const auto began = now();
    auto written = (*writer)->finish();
    if (!written) broken("finish of a large message: " + written.error().message());
    made->large = *written;
    {
      const std::lock_guard lock(mutex_);
      waiting_.emplace(made->id.value, began);
    }
    spool::append_request request;
    request.token = made->id.value;
    request.content = made;
    store_.append(std::move(request), *this);
    settle_some();
  }

  void settle_some() {
    std::vector<queue_id> ids;
    {
      const std::lock_guard lock(mutex_);
      ids.swap(durable_);
    }
    const std::lock_guard lock(settling_);
    after_.acknowledged(ids);
  }

  spool::store& store_;
  message_source& source_;
  std::size_t outstanding_;
  std::counting_semaphore<> free_;
  nanos end_ = 0;
  std::mutex mutex_;
  std::map<std::uint64_t, nanos> waiting_;
  std::vector<queue_id> durable_;
  load_result sum_;
  std::mutex settling_;
  lagging_delivery after_;
};

}  // namespace

void bench_large(context& c) {
  std::vector<case_shape> shapes;
  for (const std::size_t n : {1u, 8u, 50u, 200u}) {
    const case_shape shape{fmt::format("large/1m/{}", n),
                           fmt::format("accept 1 MiB, own file, {} outstanding", n), size, n};
    if (c.options.wants(shape.id)) shapes.push_back(shape);
  }
  if (shapes.empty()) return;
  {
    subject s(c.folder("large"), {});
    for (const auto& shape : shapes) {
      large_load load(s.store(), c.source, shape.outstanding);
      auto m = take_rounds(c, shape, [&] {
        return metered(c, &s.store(), [&] { return load.run(c.options.seconds); });
      });
      m.note = fmt::format("{} threads write the files; the wait counts from finish()",
                           std::min(threads, shape.outstanding));
      c.results.add(std::move(m));
      load.deliver_rest();
      s.flush();
    }
  }
  c.remove("large");
}

}  // namespace relais::bench
