// What is left of a spool when the power goes now: recovered, sometimes with another crash in the
// middle of it, and judged; then recovered again and by a full scan, which must say the same; then
// used, which must work.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unit/spool/spool_model.hpp"

namespace relais::testing {

class crash_check {
 public:
  crash_check(const sim_disk& disk, const spool_model& model, spool::store_options options);

  /// One crash, with one legal loss of what is not synced. True: no promise is broken.
  bool crash_now(std::uint64_t seed);

  const std::vector<std::string>& broken() const { return broken_; }
  std::uint64_t crashes() const { return crashes_; }
  std::uint64_t scans() const { return scans_; }
  std::uint64_t from_checkpoint() const { return from_checkpoint_; }
  std::uint64_t messages_found() const { return messages_found_; }

 private:
  struct life;
  void crash_during_recovery(sim_disk& disk, random& choice) const;
  void compare(sim_disk& disk, const std::string& said, const char* what);
  void use(sim_disk& disk, random& choice);
  void add(const std::vector<std::string>& sentences, const char* when);

  const sim_disk& disk_;
  const spool_model& model_;
  spool::store_options options_;
  std::vector<std::string> broken_;
  std::uint64_t crashes_ = 0;
  std::uint64_t scans_ = 0;
  std::uint64_t from_checkpoint_ = 0;
  std::uint64_t messages_found_ = 0;
};

}  // namespace relais::testing
