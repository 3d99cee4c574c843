// Stores what became of the recipients of one batch of messages: one file per message, to which
// records are appended; all files of a batch are written, then all are synced. A file that cannot
// be continued (first record, torn end found by recovery, failed write or sync, grown too long) is
// replaced as a whole by rename, so a failed file is never synced again and a half-written one
// never seen. Runs on the runner's thread; knows nothing of requests and completions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spool/disk.hpp"
#include "spool/record.hpp"
#include "spool/store.hpp"

namespace relais::spool {

/// What the store remembers of a message in the spool.
struct journal_entry {
  std::vector<recipient_state> recipients;
  std::uint64_t length = 0;  ///< of the state file; 0: there is none
  std::uint64_t next_sequence = 1;
  bool replace = true;  ///< the next record needs a new file

  bool is_finished() const noexcept;
};

struct journal_write {
  queue_id id;
  journal_entry* entry = nullptr;
  std::vector<std::uint32_t> changed;  ///< recipients to record; a new file records all
  error_code error;                    ///< the outcome
};

/// Writes and syncs; the outcome of each is in its `error`. True if the directory is to be trusted
/// still.
bool write_states(disk& storage, std::vector<journal_write>& batch);

}  // namespace relais::spool
