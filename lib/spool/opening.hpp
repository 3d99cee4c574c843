// The first look at a spool: which files are there, and what the head of each segment says. Quick:
// no record is read but those of the newest segment, for the highest id. Blocking, before anything
// else runs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "spool/log_state.hpp"

namespace relais::spool {

/// What enumeration goes on with.
struct opening {
  /// In use since an earlier run; in the state's table as sealed, not read yet.
  std::vector<segment*> segments;
  /// Not usable: no header, or unreadable. A sentence each.
  std::vector<std::string> damaged;
  /// A segment's header is not to be trusted: only a scan of everything tells the truth.
  bool needs_scan = false;
  error_code unreadable;                   ///< the disk failed: what is there is not known
  std::vector<std::uint64_t> checkpoints;  ///< serials, ascending
  std::set<queue_id> large_files;
};

/// Fills the state's table, sequence and highest id. `why` gets a sentence for errc::corrupt: a
/// format that this program does not know; nothing was changed then.
result<opening> look_at_spool(log_state& state, std::string& why);

}  // namespace relais::spool
