// Verifies everything that the spool holds, and changes nothing: every checksum of every segment in
// use, of every checkpoint, and of every large content. Blocking; nobody else may use the spool.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "spool/disk.hpp"

namespace relais::spool {

struct check_report {
  std::uint64_t segments = 0;  ///< in use
  std::uint64_t free_segments = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t records = 0;
  std::uint64_t messages = 0;     ///< still in the spool
  std::uint64_t octets = 0;       ///< of segments in use, up to their ends
  std::uint64_t large_files = 0;  ///< of messages still in the spool
  std::uint64_t unfinished = 0;   ///< batches and files that were never acknowledged: no damage
  std::uint64_t damaged = 0;
};

/// `complaint` gets one sentence per damage: file, offset, what is wrong. Errors: not_found (there
/// is no spool), disk errors.
result<check_report> check_spool(disk& storage,
                                 const std::function<void(const std::string&)>& complaint);

}  // namespace relais::spool
