// Where the spool's work is done, off the workers: threads in the real world, events with a latency
// in the simulated one, by hand in unit tests.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/clock.hpp"

namespace relais::spool {

/// Runs jobs in the order in which they were given. Safe from any thread.
class runner {
 public:
  virtual ~runner() = default;
  virtual void run(std::function<void()> job) = 0;
  /// The job takes its place in the order when `delay` has passed.
  virtual void run_after(duration delay, std::function<void()> job) = 0;
};

/// With one thread, a job ends before the next one begins. The destructor runs what is queued,
/// drops what is delayed, then joins.
std::unique_ptr<runner> make_thread_runner(std::size_t threads = 1);

}  // namespace relais::spool
