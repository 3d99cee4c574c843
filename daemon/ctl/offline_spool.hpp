// The spool without the daemon: finds it, opens it as its owner, enumerates it, and closes it well.
// Never makes one, and never opens one that relaisd works with.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "spool/store.hpp"

namespace relais::ctl {

/// The directory behind its lock, nothing read yet. Throws failure.
std::unique_ptr<spool::disk> open_spool_disk(const std::string& directory);

class offline_spool {
 public:
  /// Reads the whole index; says on standard error what is damaged. Throws failure.
  explicit offline_spool(const std::string& directory);
  ~offline_spool();
  offline_spool(const offline_spool&) = delete;
  offline_spool& operator=(const offline_spool&) = delete;

  spool::store& store() noexcept { return *store_; }
  /// What was there when it was opened, oldest first.
  const std::vector<spool::stored_message>& messages() const noexcept { return messages_; }
  /// Null if there is no such message.
  const spool::stored_message* find(queue_id id) const noexcept;

  /// Makes all changes durable; the outcome of each is at its place. What follows is durable when
  /// this returns.
  std::vector<error_code> settle(std::vector<spool::state_change> changes);
  /// Leaves a checkpoint for the next start. Throws failure.
  void close();

 private:
  system_clocks time_;
  std::unique_ptr<spool::disk> disk_;
  std::unique_ptr<spool::runner> committer_;
  std::unique_ptr<spool::runner> maintenance_;
  std::unique_ptr<spool::store> store_;
  std::vector<spool::stored_message> messages_;
};

}  // namespace relais::ctl
