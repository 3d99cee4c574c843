#include "inbound/incoming_content.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace relais::inbound {
namespace {

using queue::memory_pressure;
using smtp::reply_id;

constexpr std::uint64_t smallest_room = 4 * 1024;
// One write to a file of its own, by pressure; content that is not in a file yet may be larger only
// while memory is plenty.
constexpr std::uint64_t large_piece = 256 * 1024;
constexpr std::uint64_t medium_piece = 64 * 1024;
constexpr std::uint64_t small_piece = 16 * 1024;

}  // namespace

incoming_content::incoming_content(const content_limits& limits, queue::spool_gate& gate,
                                   queue::memory_budget& budget)
    : limits_(limits), gate_(gate), budget_(budget), lease_(budget) {}

void incoming_content::begin(queue_id id, std::string_view trace) {
  id_ = id;
  if (!make_room(std::max<std::uint64_t>(smallest_room, trace.size()))) {
    return refuse(reply_id::no_storage);
  }
  held_.append(trace);
}

std::uint64_t incoming_content::threshold() const noexcept {
  const auto most = file_ ? large_piece : limits_.inline_max;
  switch (queue::pressure_of(budget_)) {
    case memory_pressure::none: return most;
    case memory_pressure::elevated: return std::min(most, medium_piece);
    case memory_pressure::high: return std::min(most, small_piece);
    case memory_pressure::extreme: break;
  }
  return std::min(most, smallest_room);
}

/// Lets held_ grow to so many octets, if there is memory for it.
bool incoming_content::make_room(std::uint64_t octets) {
  if (octets <= held_.capacity()) return true;
  const auto others = header_text_.capacity();
  // Twofold, so that a long content is not copied at every piece; but no more than it may hold.
  auto wanted = std::max(octets, std::min<std::uint64_t>(2 * held_.capacity(), threshold()));
  if (!lease_.cover(others + wanted + 1)) {
    wanted = octets;
    if (!lease_.cover(others + wanted + 1)) return false;
  }
  // Not held_.reserve(), which may take more than it was asked for.
  std::string larger;
  larger.reserve(wanted);
  larger.append(held_);
  held_ = std::move(larger);
  return true;
}

bool incoming_content::absorb(std::string_view octets) {
  if (fault_) return true;
  const auto whole = held_.size() + octets.size();
  if (whole > threshold() || !make_room(whole)) return false;
  held_.append(octets);
  return true;
}

net::task<void> incoming_content::spill(std::string_view octets) {
  while (!octets.empty() && !fault_) {
    const auto whole =
        std::min<std::uint64_t>(held_.size() + octets.size(), std::max(threshold(), smallest_room));
    // Without memory for more, the little that is leased already is filled again and again.
    make_room(whole);
    const auto room = held_.capacity() - held_.size();
    const auto part = octets.substr(0, room);
    held_.append(part);
    octets.remove_prefix(part.size());
    if (octets.empty() && held_.size() < threshold()) break;
    co_await write_out();
  }
}

net::task<void> incoming_content::write_out() {
  look_at_header();
  if (fault_) co_return;
  if (!file_) {
    auto made = co_await gate_.create_large(id_);
    if (!made) {
      refuse(made.error());
      co_return;
    }
    file_ = std::move(*made);
  }
  auto piece = std::exchange(held_, std::string());
  const auto octets = piece.size();
  auto to = file_;
  const auto error = co_await gate_.write(std::move(to), std::move(piece));
  if (error) {
    refuse(error);
    co_return;
  }
  written_ += octets;
  lease_.shrink(header_text_.capacity() + smallest_room + 1);
  held_.reserve(smallest_room);
}

/// What goes to the file is not seen again: the header is looked at before.
void incoming_content::look_at_header() {
  if (header_known_ || scan(held_, header_text_.empty())) return;
  // Rare: the header goes on behind the first piece, and has to be seen in one.
  const auto longest = limits_.header_size + medium_piece;
  const auto before = header_text_.size();
  const auto part = std::string_view(held_).substr(0, before < longest ? longest - before : 0);
  const auto whole = before + part.size();
  const auto most = held_.capacity() + header_text_.capacity() + whole + 1;
  if (!lease_.cover(most)) return refuse(reply_id::no_storage);
  std::string text;
  text.reserve(whole);
  text.append(header_text_).append(part);
  if (scan(text, true)) {
    std::string().swap(header_text_);
  } else if (header_.length > limits_.header_size) {
    refuse(reply_id::header_too_large);
  } else {
    header_text_ = std::move(text);
  }
}

/// True: the whole header is in `text`.
bool incoming_content::scan(std::string_view text, bool is_beginning) {
  if (!is_beginning) return false;
  header_ = message::scan_header(text);
  // The line that ends the header has an end itself: no octet to come can make it another one.
  header_known_ = text.find('\n', header_.length) != std::string_view::npos;
  return header_known_;
}

net::task<void> incoming_content::finish() {
  if (fault_ || !file_) co_return;
  if (!held_.empty()) co_await write_out();
  if (fault_) co_return;
  std::string().swap(held_);
  std::string().swap(header_text_);
  auto of = file_;
  auto done = co_await gate_.finish(std::move(of));
  if (!done) {
    refuse(done.error());
    co_return;
  }
  large_ = *done;
  file_.reset();
  lease_ = queue::memory_lease();
}

const message::header_summary& incoming_content::header() {
  if (!header_known_ && !file_) {
    header_ = message::scan_header(held_);
    header_known_ = true;
  }
  return header_;
}

void incoming_content::refuse(reply_id why) {
  fault_ = why;
  // Swapped, as assigning an empty string may keep the memory.
  std::string().swap(held_);
  std::string().swap(header_text_);
  file_.reset();
  lease_ = queue::memory_lease();
}

void incoming_content::refuse(error_code why) {
  disk_error_ = why;
  refuse(why == errc::no_space ? reply_id::no_storage : reply_id::queue_write_failed);
}

}  // namespace relais::inbound
