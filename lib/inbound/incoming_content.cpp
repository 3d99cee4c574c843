#include "inbound/incoming_content.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "message/submission.hpp"

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
  header_begin_ = trace.size();
  if (!make_room(std::max<std::uint64_t>(smallest_room, trace.size()), threshold())) {
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
bool incoming_content::make_room(std::uint64_t octets, std::uint64_t most) {
  if (octets <= held_.capacity()) return true;
  const auto others = header_text_.capacity();
  // Twofold, so that a long content is not copied at every piece; but no more than it may hold.
  auto wanted = std::max(octets, std::min<std::uint64_t>(2 * held_.capacity(), most));
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
  if (!fault_ && complete_) {
    absorb_header(octets);
    return true;
  }
  if (fault_) return true;
  const auto whole = held_.size() + octets.size();
  const auto most = threshold();
  if (whole > most || !make_room(whole, most)) return false;
  held_.append(octets);
  return true;
}

/// What is to be completed has to be in memory as a whole, however scarce that is.
void incoming_content::absorb_header(std::string_view octets) {
  const auto longest = limits_.header_size + medium_piece;
  if (!make_room(held_.size() + octets.size(), longest)) return refuse(reply_id::no_storage);
  held_.append(octets);
  const auto sent = std::string_view(held_).substr(header_begin_);
  const bool ends = header_end_.find(sent);
  // Until the end is in sight, the position is where the last line begins.
  if (header_end_.position() > limits_.header_size || (!ends && sent.size() > longest)) {
    return refuse(reply_id::header_too_large);
  }
  if (ends) complete_header(header_end_.position(), false);
}

void incoming_content::complete_header(std::size_t length, bool is_whole) {
  const auto sent = std::string_view(held_).substr(header_begin_);
  const auto rest = sent.substr(length);
  const auto most = held_.size() + message::most_growth + 2;
  // As held, as edited, and as put together where that does not fit into the first.
  const auto others = length + message::most_growth + (most > held_.capacity() ? most : 0);
  if (!lease_.cover(held_.capacity() + others + 1)) return refuse(reply_id::no_storage);
  auto header = std::exchange(complete_, {})(sent.substr(0, length));
  // RFC 5322 2.1: a body begins behind an empty line.
  const bool has_empty_line = rest.starts_with("\r\n") || rest.starts_with('\n');
  if (!has_empty_line && !(is_whole && rest.empty())) header += "\r\n";
  if (most <= held_.capacity()) {
    held_.replace(header_begin_, length, header);
  } else {
    std::string whole;
    whole.reserve(most);
    whole.append(held_, 0, header_begin_).append(header).append(rest);
    held_ = std::move(whole);
  }
  lease_.shrink(held_.capacity() + 1);
}

/// The content ended, the header perhaps did not.
void incoming_content::end_header() {
  if (fault_ || !complete_) return;
  const auto sent = std::string_view(held_).substr(header_begin_);
  complete_header(message::header_section(sent).size(), true);
}

net::task<void> incoming_content::spill(std::string_view octets) {
  while (!octets.empty() && !fault_) {
    const auto whole =
        std::min<std::uint64_t>(held_.size() + octets.size(), std::max(threshold(), smallest_room));
    // Without memory for more, the little that is leased already is filled again and again.
    make_room(whole, threshold());
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
  end_header();
  if (fault_ || !file_) co_return;
  if (!held_.empty()) co_await write_out();
  if (fault_) co_return;
  header_known_ = true;  // all of it was looked at, also where no empty line ended it
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
  end_header();
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
