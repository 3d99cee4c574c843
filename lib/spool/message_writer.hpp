// Makes the messages of one batch durable: all are written, all are synced, all are renamed into
// place, then one sync of the directory covers the renames. Runs on the runner's thread; knows
// nothing of requests and completions.
#pragma once

#include <memory>
#include <vector>

#include "spool/disk.hpp"
#include "spool/store.hpp"

namespace relais::spool {

struct message_write {
  const message* content = nullptr;
  error_code error;  ///< the outcome; an error may be set before, then nothing is done for it
};

/// False: the sync of the directory failed. All of the batch carries the error then, and the
/// directory must not be trusted with another message.
bool write_messages(disk& storage, std::vector<message_write>& batch);

}  // namespace relais::spool
