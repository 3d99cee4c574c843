// The spool: the durable truth about every message that was answered 250. It appends messages,
// records what became of each recipient, and finds everything again after a crash. The order of
// work (when is what tried next) is the queue's, which is rebuilt from here.
//
// Asio-free. append() and settle() may be called from any thread; completions are called on the
// runner's thread, per sink and batch once for messages and once for states. One batch = everything
// that waits, one sync, then the completions (group commit, no artificial delay).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "base/result.hpp"
#include "smtp/envelope.hpp"
#include "spool/disk.hpp"

namespace relais::spool {

/// A message as it is handed to the spool: immutable from then on, shared while deliveries run.
struct message {
  queue_id id;
  wall_time arrival;
  smtp::envelope envelope;
  std::string
      content;  ///< exactly as it will be sent: CRLF line ends, dot-unstuffed, trace header on top
};

enum class recipient_status : std::uint8_t { pending, delivered, bounced, removed };

struct recipient_state {
  recipient_status status = recipient_status::pending;
  std::uint32_t attempts = 0;
  wall_time next_attempt{};  ///< while pending
  std::string
      diagnostic;  ///< last remote reply or local reason, printable, shortened by the caller

  recipient_state() = default;
};

/// New states of some recipients of one message. When no recipient is pending any more, the message
/// leaves the spool.
struct state_change {
  struct entry {
    std::uint32_t recipient = 0;  ///< index into envelope.forward_paths
    recipient_state state;
  };
  queue_id id;
  std::vector<entry> entries;
};

struct append_request {
  std::shared_ptr<const message> content;
  /// State changes that become durable together with the message (a report, and the recipients that
  /// it reports as bounced).
  std::vector<state_change> together_with;
  /// Chosen by the caller, handed back in the completion.
  std::uint64_t token = 0;
};

struct completion {
  std::uint64_t token = 0;
  error_code error;  ///< success: durable. Else nothing is queued: no_space, io_error, read_only...
};

/// Where completions of one worker go. Called on the runner's thread: post, do not work.
class completion_sink {
 public:
  virtual ~completion_sink() = default;
  virtual void complete(std::vector<completion> batch) = 0;
};

/// Runs the jobs of the spool one after the other, off the workers: a thread in the real world, an
/// event with a latency in the simulated one.
class runner {
 public:
  virtual ~runner() = default;
  virtual void run(std::function<void()> job) = 0;
};

/// One thread; the destructor runs what is queued, then joins.
std::unique_ptr<runner> make_thread_runner();

/// What recovery found of one message. The content stays on disk until read() is asked for it.
struct recovered_message {
  queue_id id;
  wall_time arrival;
  smtp::envelope envelope;
  std::uint64_t content_size = 0;
  std::vector<recipient_state> recipients;  ///< as many as envelope.forward_paths
};

struct recovery_report {
  std::uint64_t messages = 0;
  std::uint64_t incomplete = 0;      ///< never acknowledged, removed
  std::vector<std::string> damaged;  ///< set aside, one sentence each: file and what is wrong
};

struct store_options {
  std::uint64_t minimum_free_bytes = 64u << 20;  ///< below: append fails with no_space
  std::uint64_t minimum_free_inodes = 1000;
};

enum class health : std::uint8_t { good, full, failed };

class store {
 public:
  virtual ~store() = default;
  virtual void append(append_request request, completion_sink& sink) = 0;
  /// Lazy: becomes durable with the next batch; a lost delivered mark repeats one delivery (RFC
  /// 1047).
  virtual void settle(state_change change) = 0;
  /// Durable before the completion: for what must not be repeated.
  virtual void settle(state_change change, std::uint64_t token, completion_sink& sink) = 0;
  /// The content of a message that recovery found or append() stored; blocks, verifies the
  /// checksum. Errors: not_found, corrupt, io_error.
  virtual result<std::shared_ptr<const message>> read(queue_id id) = 0;
  /// Whether a message of that size may be accepted now. Cheap, from any thread.
  virtual health has_room(std::uint64_t octets) const noexcept = 0;
  /// Writes everything lazy, then calls `done` on the runner's thread.
  virtual void flush(std::function<void(error_code)> done) = 0;
};

/// Recovers what the disk holds (`found` is called once per message, in no order), then is ready
/// for use. Blocking: called before the workers start. The disk and the runner must outlive the
/// store. Errors: corrupt with a clear sentence in `report.damaged` where the format is unknown;
/// disk errors.
result<std::unique_ptr<store>> open_store(disk& storage, runner& jobs, const store_options& options,
                                          const std::function<void(recovered_message)>& found,
                                          recovery_report& report);

}  // namespace relais::spool
