// The spool: the durable truth about every message that was answered 250. It appends messages,
// records what became of each recipient, and finds everything again after a crash. The order of
// work (when is what tried next) is the queue's, which is rebuilt from here.
//
// Asio-free. Every call may come from any thread; what blocks says so. Completions are called on
// the committer, per sink and batch once. One batch = everything that waits, one write, one sync,
// then the completions (group commit, no artificial delay).
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
#include "spool/runner.hpp"

namespace relais::spool {

/// What large_writer::finish() made durable: a content that has a file of its own.
struct large_content {
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;  ///< CRC32C
};

/// A message as it is handed to the spool: immutable from then on, shared while deliveries run.
struct message {
  queue_id id;
  wall_time arrival;
  smtp::envelope envelope;
  /// Exactly as it will be sent: CRLF line ends, dot-unstuffed, trace header on top. Empty if
  /// `large`.
  std::string content;
  /// Set: the content is in the file that create_large(id) wrote.
  std::optional<large_content> large;

  std::uint64_t content_size() const noexcept { return large ? large->size : content.size(); }
};

enum class recipient_status : std::uint8_t { pending, delivered, bounced, removed };

struct recipient_state {
  recipient_status status = recipient_status::pending;
  std::uint32_t attempts = 0;
  wall_time next_attempt{};  ///< while pending
  std::string
      diagnostic;  ///< last remote reply or local reason, printable, shortened by the caller
  std::uint8_t warnings = 0;  ///< delay reports that the sender got

  recipient_state() = default;
  friend bool operator==(const recipient_state&, const recipient_state&) = default;
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
  std::optional<bool> hold;  ///< an operator's hand: true keeps the message from being delivered
  /// An operator's hand: where the message goes instead of its route; "" = as routed.
  std::optional<std::string> next_hop = {};
};

struct append_request {
  std::shared_ptr<const message> content;
  /// State changes that become durable together with the message, or not at all (a report, and the
  /// recipients that it reports as bounced).
  std::vector<state_change> together_with;
  /// Chosen by the caller, handed back in the completion.
  std::uint64_t token = 0;
};

struct completion {
  std::uint64_t token = 0;
  error_code error;  ///< success: durable. Else nothing is queued: no_space, io_error, read_only...
};

/// Where completions of one worker go. Called on the committer: post, do not work.
class completion_sink {
 public:
  virtual ~completion_sink() = default;
  virtual void complete(std::vector<completion> batch) = 0;
};

/// What the spool knows of a message without reading it. The content stays on disk.
struct stored_message {
  queue_id id;
  wall_time arrival;
  smtp::envelope envelope;
  std::uint64_t content_size = 0;
  std::vector<recipient_state> recipients;  ///< as many as envelope.forward_paths
  bool is_held = false;
  std::string next_hop;  ///< where an operator sends it instead of its route; "" = as routed
};

/// Writes one large content to a file of its own while it arrives. Blocking; one thread at a time;
/// gone before the store is.
/// Destroyed without finish(): the file goes. After finish() the file belongs to the store: the
/// next step is append() of a message with that id and `large` set; a file for which that does not
/// happen goes at the next start.
class large_writer {
 public:
  virtual ~large_writer() = default;
  virtual error_code write(std::string_view octets) = 0;
  /// Syncs the file and its directory.
  virtual result<large_content> finish() = 0;
};

/// Reads a content piece by piece, from the log or from its own file. Blocking; one thread at a
/// time.
class content_reader {
 public:
  virtual ~content_reader() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// The next piece of at most `limit` octets, empty at the end. Errors: corrupt in place of the
  /// last piece when the checksum of the whole is wrong; not_found when the message has left the
  /// spool meanwhile; io_error.
  virtual result<std::string> next(std::size_t limit) = 0;
};

struct recovery_report {
  std::uint64_t messages = 0;
  std::uint64_t incomplete = 0;      ///< batches and large files that were never acknowledged
  std::vector<std::string> damaged;  ///< one sentence each: file, offset and what is wrong
  bool from_checkpoint = false;      ///< false: every segment was read
};

enum class health : std::uint8_t {
  good,
  full,      ///< below the soft floor: no new messages (452)
  critical,  ///< below the hard floor: no new sessions either (421)
  failed     ///< the disk failed: nothing can be recorded
};

/// Figures for people, metrics and benchmarks; each is exact, together they are a moment's view.
struct store_status {
  health state = health::good;
  std::uint64_t messages = 0;
  std::uint64_t live_octets = 0;  ///< records of messages in the spool
  std::uint64_t segments_used = 0;
  std::uint64_t segments_free = 0;   ///< ready to be written again
  std::uint64_t octets_written = 0;  ///< to segments, checkpoints included, since the start
  std::uint64_t octets_compacted = 0;
  std::uint64_t batches = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t write_errors = 0;
  std::uint64_t memory = 0;  ///< of the index, octets
};

/// Ways to be wrong that the crash tests must find; nothing else uses them.
enum class known_fault : std::uint8_t {
  none,
  acknowledge_before_sync,
  no_directory_sync,
  recycled_tail_stays_valid
};

struct store_options {
  std::uint64_t segment_size = 64u << 20;
  std::size_t spare_segments = 2;  ///< kept ready, and the reserve for states when the disk is full
  std::uint64_t minimum_free_bytes = 64u << 20;  ///< soft floor: below, append fails with no_space
  std::uint64_t minimum_free_inodes = 1000;
  std::uint64_t critical_free_bytes = 16u << 20;  ///< hard floor
  std::uint64_t critical_free_inodes = 100;
  std::uint64_t batch_octets = 4u << 20;
  duration lazy_delay = std::chrono::milliseconds(10);  ///< of states that nobody waits for
  std::uint64_t checkpoint_after = 128u << 20;          ///< octets of log
  std::uint64_t compaction_slack = 512u << 20;          ///< disk used beyond twice the live octets
  std::uint64_t compaction_rate = 64u << 20;     ///< octets copied per second at most, while that
                                                 ///< keeps the disk from growing
  std::uint64_t seed = 0;                        ///< of generation salts
  std::function<void(const std::string&)> warn;  ///< one sentence; from any of the spool's threads
  /// Messages that have left the spool, as their last recipient is settled; in batches, on the
  /// committer: post, do not work.
  std::function<void(std::vector<queue_id>)> left;
  known_fault fault = known_fault::none;
};

/// What the store works with; all outlive it.
struct store_world {
  disk& storage;
  runner& committer;
  runner& maintenance;  ///< reclamation, checkpoints, preparation of segments
  const clock& time;
};

class store {
 public:
  virtual ~store() = default;

  /// Finds what the disk holds. Blocking, once, before or while messages are appended; calls
  /// `found` once per message that was there at the start, in no order. Until it has returned,
  /// states are taken for messages appended since the start only. Errors: disk errors.
  virtual result<recovery_report> enumerate(const std::function<void(stored_message)>& found) = 0;

  virtual void append(append_request request, completion_sink& sink) = 0;
  /// Lazy: becomes durable with the next batch, at the latest after options.lazy_delay; a lost
  /// delivered mark repeats one delivery (RFC 1047).
  virtual void settle(state_change change) = 0;
  /// Durable before the completion: for what must not be repeated. not_found: the message has left
  /// the spool.
  virtual void settle(state_change change, std::uint64_t token, completion_sink& sink) = 0;

  /// Envelope and states, from memory. Empty: not in the spool.
  virtual std::optional<stored_message> look_up(queue_id id) = 0;
  /// For operators: everything that is in one of `parts` parts of the index, in no order. What
  /// comes or goes meanwhile may be missing.
  static constexpr std::size_t parts = 256;
  virtual std::vector<stored_message> messages(std::size_t part) = 0;
  /// The oldest message. Blocks for some milliseconds if there are very many.
  virtual std::optional<queue_id> oldest() = 0;
  /// The message with its whole content; blocks, verifies the checksum. Errors: not_found, corrupt,
  /// io_error.
  virtual result<std::shared_ptr<const message>> read(queue_id id) = 0;
  /// The same piece by piece; blocks.
  virtual result<std::unique_ptr<content_reader>> open_content(queue_id id) = 0;
  /// Blocks. Errors: exists, no_space, io_error...
  virtual result<std::unique_ptr<large_writer>> create_large(queue_id id) = 0;

  /// Whether a message of that size may be accepted now. Cheap.
  virtual health has_room(std::uint64_t octets) const noexcept = 0;
  virtual store_status status() const = 0;
  /// Writes everything lazy, then calls `done` on the committer.
  virtual void flush(std::function<void(error_code)> done) = 0;
  /// Writes a checkpoint, so that the next start is quick. Blocking; nothing else runs any more.
  virtual void close() = 0;
};

/// What is known before anything is enumerated.
struct opened_store {
  std::unique_ptr<spool::store> store;
  queue_id highest_id;  ///< no id up to this may be given again
};

/// Looks at the head of each segment, and is ready for appends when it returns; enumerate() is the
/// caller's next call. Blocking. `why` gets a sentence for people when it fails with corrupt: an
/// unknown format. Other errors: of the disk.
result<opened_store> open_store(const store_world& world, const store_options& options,
                                std::string& why);

}  // namespace relais::spool
