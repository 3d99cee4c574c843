// Reading messages back: from the log, or from the file of their own that large contents have; and
// writing those files. Blocking, safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "spool/log_state.hpp"

namespace relais::spool {

/// A record of a message as it stands in the log, verified.
struct log_record {
  std::string text;
  std::string body;
};
/// Errors: not_found, corrupt, disk errors. Survives that the message is moved meanwhile.
result<log_record> read_record(log_state& state, queue_id id);

result<std::shared_ptr<const message>> read_message(log_state& state, queue_id id);
result<std::unique_ptr<content_reader>> open_content(log_state& state, queue_id id);

/// Several contents may be written to one folder at a time. A failed sync of it may have lost the
/// names of all of them, and only one of the writers would be told.
struct large_folder {
  explicit large_folder(std::string n) : name(std::move(n)) {}
  const std::string name;
  std::mutex mutex;            ///< held across a sync
  std::uint64_t failures = 0;  ///< guarded by mutex
};

class large_files {
 public:
  explicit large_files(log_state& state) : state_(state) {}
  result<std::unique_ptr<large_writer>> create(queue_id id);

 private:
  result<std::shared_ptr<large_folder>> folder_of(queue_id id);

  log_state& state_;
  std::mutex mutex_;  // guards folders_
  std::map<std::string, std::shared_ptr<large_folder>> folders_;
};

}  // namespace relais::spool
