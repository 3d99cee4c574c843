// The content of one message while it arrives: in memory as long as it is small, then in a file of
// its own in the spool, written piece by piece. How much one message may hold depends on how scarce
// memory is for all of them together (queue::memory_budget); what it holds is always leased. What
// is needed of the header is kept from the first part. Belongs to one session.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "message/header_scan.hpp"
#include "queue/memory_budget.hpp"
#include "queue/spool_gate.hpp"
#include "smtp/replies.hpp"

namespace relais::inbound {

struct content_limits {
  std::uint64_t inline_max = 0;   ///< what is larger gets a file of its own
  std::uint64_t header_size = 0;  ///< a larger header is refused: nothing behind it is kept
};

/// Gets the header section as the client sent it, its last line perhaps without an end, and gives
/// what takes its place: message::complete_header. At most message::most_growth longer.
using header_editor = std::function<std::string(std::string_view header)>;

class incoming_content {
 public:
  incoming_content(const content_limits& limits, queue::spool_gate& gate,
                   queue::memory_budget& budget);

  /// Before begin(): the header section of the client will be held until its end, and edited; the
  /// empty line behind it is added where it is missing. Behind that no octet is touched.
  void complete_with(header_editor editor) { complete_ = std::move(editor); }
  /// `trace`: our own Received header, on top of what the client sends.
  void begin(queue_id id, std::string_view trace);
  /// Takes the octets without waiting. False: nothing was taken, await spill() with them.
  bool absorb(std::string_view octets);
  /// Takes the octets, and writes to the file for it. The view stays valid until it returns.
  net::task<void> spill(std::string_view octets);
  /// The end of the data: what has gone to a file is complete there and on stable storage
  /// afterwards. Nothing is done where there is a fault.
  net::task<void> finish();

  /// Why the message cannot be taken; from then on its octets are dropped.
  std::optional<smtp::reply_id> fault() const noexcept { return fault_; }
  /// What the disk said, if that is the fault.
  error_code disk_error() const noexcept { return disk_error_; }
  /// To be asked behind the end of the data only; complete behind finish().
  const message::header_summary& header();
  std::uint64_t size() const noexcept { return written_ + held_.size(); }
  /// Octets in memory; never more than is leased.
  std::uint64_t memory() const noexcept { return held_.capacity() + header_text_.capacity(); }

  /// Set behind finish(), if the content is in a file.
  const std::optional<spool::large_content>& large() const noexcept { return large_; }
  /// The content, if it is not in a file, and the memory that it holds.
  std::string take_octets() noexcept { return std::exchange(held_, std::string()); }
  queue::memory_lease take_lease() noexcept { return std::move(lease_); }

 private:
  std::uint64_t threshold() const noexcept;
  bool make_room(std::uint64_t octets, std::uint64_t most);
  void absorb_header(std::string_view octets);
  void complete_header(std::size_t length, bool is_whole);
  void end_header();
  net::task<void> write_out();
  void look_at_header();
  bool scan(std::string_view text, bool is_beginning);
  void refuse(smtp::reply_id why);
  void refuse(error_code why);

  const content_limits limits_;
  queue::spool_gate& gate_;
  queue::memory_budget& budget_;
  queue_id id_;
  std::string held_;
  header_editor complete_;        ///< while the header has not been completed
  std::size_t header_begin_ = 0;  ///< of the client's header, in held_
  message::header_end_finder header_end_;
  std::string header_text_;  ///< what was written, while the end of the header is not in sight
  bool header_known_ = false;
  message::header_summary header_;
  queue::memory_lease lease_;
  queue::spool_gate::upload file_;
  std::uint64_t written_ = 0;
  std::optional<spool::large_content> large_;
  std::optional<smtp::reply_id> fault_;
  error_code disk_error_;
};

}  // namespace relais::inbound
