// The store under test, put together as the daemon does it: open_disk, one runner for the committer
// and one for maintenance, open_store, enumerate. And the null store, which does all of that
// without a disk: what a run against it costs is the benchmark's own part.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "bench/observed_disk.hpp"
#include "spool/store.hpp"

namespace relais::bench {

/// Something that must not happen did: the run ends with an exit status.
[[noreturn]] void broken(const std::string& what);

struct subject_shape {
  bool observed = false;  ///< with the committer's account of its time in the disk
  std::chrono::nanoseconds flush_takes{0};
};

class subject {
 public:
  subject(const std::string& directory, subject_shape shape);
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;
  /// Closes the store, but leaves its files.
  ~subject();

  spool::store& store() noexcept { return *store_; }
  const committer_account* account() const noexcept { return observed_ ? &account_ : nullptr; }
  queue_id highest_id() const noexcept { return highest_id_; }
  /// Waits until everything lazy is durable.
  void flush();

 private:
  committer_account account_;
  bool observed_;
  system_clocks time_;
  std::unique_ptr<spool::disk> disk_;
  std::unique_ptr<spool::runner> maintenance_;
  std::unique_ptr<spool::runner> committer_;
  std::unique_ptr<spool::store> store_;
  queue_id highest_id_;
};

spool::store_options production_options();

/// Completes when `batch` messages wait, all at once: the generator's cost is that per message of a
/// full batch, not that of being woken for each.
std::unique_ptr<spool::store> make_null_store(spool::runner& committer, std::size_t batch);

}  // namespace relais::bench
