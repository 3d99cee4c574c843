// What an operator can see of the queue and do to it, apart from how it is asked (HTTP, relaisctl).
// delivery/operator_hand.hpp does it for the daemon; tests have others. Everything that can be long
// comes in pieces: whoever asks takes the next one when it has dealt with the last, and goes away
// whenever it likes. Used on one worker.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/task.hpp"
#include "queue/destination.hpp"
#include "queue/selection.hpp"
#include "queue/spool_gate.hpp"

namespace relais::delivery {

/// What keeps mail from a destination, other than the mail itself.
struct obstacle {
  queue::destination_state state = queue::destination_state::open;
  std::string reason;
  std::optional<wall_time> until;  ///< of the next probe, or the end of the pause
  obstacle() = default;
};

/// A message with the ways of its recipients. The lists are as long as stored.recipients; nothing
/// for those that wait no more.
struct listed_message {
  spool::stored_message stored;
  std::vector<std::string> next_hops;  ///< where the next attempt goes
  std::vector<obstacle> obstacles;     ///< of these
  listed_message() = default;
};

/// Where a listing goes on. The order is that of the index, the same for every listing.
struct queue_position {
  std::size_t part = 0;
  queue_id after;  ///< within the part
  queue_position() = default;
};

/// Pieces of something long; `T` is a vector.
template <class T>
class stream_of {
 public:
  virtual ~stream_of() = default;
  /// Empty: the end.
  virtual net::task<T> next() = 0;
};

class message_stream {
 public:
  virtual ~message_stream() = default;
  /// At most so many, and never more than a hundred; empty: the end.
  virtual net::task<std::vector<listed_message>> next(std::size_t most) = 0;
  /// Behind what next() gave so far; empty: all was given.
  virtual std::optional<queue_position> position() const = 0;
};

enum class queue_verb : std::uint8_t { hold, release, remove, bounce, retry, reroute };

struct order {
  queue_verb verb = queue_verb::hold;
  std::shared_ptr<const queue::selector> which;
  bool is_dry = false;   ///< only say what would be done
  std::string next_hop;  ///< of reroute; "" = as routed
  std::string by;        ///< who asked, for the log: "uid 0"
  order() = default;
};

/// What became of one message, or would.
struct order_outcome {
  queue_id id;
  bool is_known = true;     ///< false: no such message
  bool changes = false;     ///< something is done (would be, of a dry run)
  bool is_in_hand = false;  ///< it is being delivered now: that attempt goes on to its end
  error_code error;         ///< why nothing could be done
  std::string sentence;     ///< "held", "would be removed", "was not held"
  std::uint64_t octets = 0;
  std::string sender;          ///< reverse-path, "" if null
  std::size_t recipients = 0;  ///< that it concerns
  std::size_t pending = 0;     ///< that wait
  order_outcome() = default;
};

/// "removed"
std::string_view done_word(queue_verb verb) noexcept;
/// Why there is nothing to do: "was not held"; "" if there is.
std::string_view idle_word(queue_verb verb, bool is_held) noexcept;
/// Sets `changes` and `sentence` to what is about to be done.
void judge(order_outcome& of, queue_verb verb, bool is_held);
/// Takes those of `recipients` that wait out of the queue, for good.
spool::state_change removal_of(const spool::stored_message& message,
                               const std::vector<std::size_t>& recipients);
/// Nothing but: its next attempt is due.
spool::state_change due_now(const spool::stored_message& message);

using outcome_stream = stream_of<std::vector<order_outcome>>;

struct destination_view {
  std::string name;   ///< of the next hop
  std::string route;  ///< that leads there
  queue::destination_state state = queue::destination_state::open;
  std::string reason;
  std::optional<wall_time> until;  ///< of the next probe, or the end of the pause
  std::uint64_t ready = 0, waiting = 0, stalled = 0, in_hand = 0;
  unsigned failures = 0;
  destination_view() = default;
};

using destination_stream = stream_of<std::vector<destination_view>>;

enum class destination_verb : std::uint8_t { suspend, resume, retry };

struct relay_view {
  wall_time since{};                ///< running
  std::string not_ready;            ///< why no mail is taken; "" if it is
  std::uint64_t messages = 0;       ///< in the spool
  std::optional<wall_time> oldest;  ///< arrival
  std::uint64_t ready = 0, waiting = 0, stalled = 0, in_hand = 0;  ///< jobs: per next hop
  std::uint64_t destinations = 0, down = 0, paused = 0, suspended = 0;
  std::vector<destination_view> troubles;     ///< closed destinations, those with most mail first
  std::uint64_t clients = 0, deliveries = 0;  ///< connections
  relay_view() = default;
};

class operations {
 public:
  virtual ~operations() = default;

  /// Why the queue cannot be looked at or changed; "" if it can. Ask first.
  virtual std::string not_ready() const = 0;
  virtual net::task<relay_view> status() = 0;
  virtual std::unique_ptr<message_stream> list(std::shared_ptr<const queue::selector> which,
                                               queue_position from) = 0;
  virtual net::task<std::optional<listed_message>> show(queue_id id) = 0;
  virtual net::task<result<queue::spool_gate::download>> open_content(queue_id id) = 0;
  virtual net::task<result<std::string>> next_piece(queue::spool_gate::download from,
                                                    std::size_t limit) = 0;
  /// Each piece is durable when it is given. One that nobody asks for any more is not begun.
  virtual std::unique_ptr<outcome_stream> carry_out(order what) = 0;
  /// Whether a message can be sent there: "b.example", "[relay.example]:587".
  virtual bool is_next_hop(const std::string& text) const = 0;

  /// `closed_only`: not those that are open.
  virtual std::unique_ptr<destination_stream> destinations(bool closed_only) = 0;
  /// Those of that name, and for suspend also one that does not exist yet; none: there is none.
  virtual net::task<std::vector<destination_view>> carry_out(destination_verb verb,
                                                             std::string name, std::string by) = 0;
};

}  // namespace relais::delivery
