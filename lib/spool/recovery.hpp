// What open_store does before the store is open: finds every message and its recipients' states
// again after a stop or a crash, removes what was never acknowledged, and sets aside what is
// damaged. Nothing is changed before everything was looked at: a spool of another format version
// stays as it is.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "spool/state_journal.hpp"
#include "spool/store.hpp"

namespace relais::spool {

struct recovered_spool {
  std::vector<recovered_message> messages;
  std::unordered_map<queue_id, journal_entry> entries;
  /// Ids whose file is still there, but is no message to deliver (it could not be read or removed).
  std::unordered_set<queue_id> reserved;
};

result<recovered_spool> recover(disk& storage, recovery_report& report);

/// The prefix and the envelope of an open message file; errc::corrupt says in `why` what is wrong.
struct message_head {
  message_prefix prefix;
  smtp::envelope envelope;
  verdict judgement = verdict::damaged;
  const char* why = "";
};
result<message_head> read_message_head(file& from, queue_id expected);

}  // namespace relais::spool
