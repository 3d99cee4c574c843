// A disk in front of the real one that keeps account of how long the committer was inside of it,
// so that a late acknowledgement can be blamed on the device or on the store; and that can make
// each flush as slow as that of an ordinary disk.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "bench/measure.hpp"
#include "spool/disk.hpp"

namespace relais::bench {

/// A call that took so long that an acknowledgement may have waited for it.
struct slow_call {
  nanos began = 0;
  nanos took = 0;
  bool by_committer = false;
  std::string what;
};

/// Time that the thread which called mark_committer() has spent in disk calls since then, and the
/// slow calls of all threads.
class committer_account {
 public:
  void mark_committer();
  /// Includes the call in progress. Safe from any thread.
  nanos spent(nanos at) const noexcept;
  /// The slow calls between these moments, in a sentence.
  std::string explain(nanos from, nanos to) const;

 private:
  friend class disk_call;
  void keep(slow_call call);

  static constexpr nanos slow = 2'000'000;
  static constexpr std::size_t most_kept = 8192;
  mutable std::mutex mutex_;
  std::deque<slow_call> slow_calls_;
  std::atomic<nanos> spent_{0};
  std::atomic<nanos> since_{0};  ///< beginning of the call in progress; 0: none
};

/// `flush_takes`: at least that long, one flush at a time, as a device does.
std::unique_ptr<spool::disk> observe(std::unique_ptr<spool::disk> storage,
                                     committer_account& account,
                                     std::chrono::nanoseconds flush_takes);

}  // namespace relais::bench
