#include "spool/segment_table.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "spool/record.hpp"

namespace relais::spool {

segment& segment_table::adopt(std::uint32_t slot) {
  auto& made = slots_[slot];
  if (!made) made = std::make_unique<segment>();
  made->slot = slot;
  next_slot_ = std::max(next_slot_, slot + 1);
  return *made;
}

segment* segment_table::find(std::uint32_t number) noexcept {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

void segment_table::registered(segment& s) {
  by_number_[s.number()] = &s;
}

void segment_table::freed(segment& s) {
  by_number_.erase(s.number());
  s.use = segment_use::free;
  s.header.kind = segment_kind::free;
  s.end = 0;
  s.live_octets = 0;
  s.live_messages = 0;
  s.done = {};
  s.states = {};
  s.refs_known = true;
  s.wait_for_dead = s.wait_for_log = 0;
  pool_.push_back(&s);
}

segment* segment_table::take() noexcept {
  if (pool_.empty()) return nullptr;
  // The one freed last: its blocks are the likeliest to be in the page cache.
  auto* s = pool_.back();
  pool_.pop_back();
  return s;
}

void segment_table::forget(segment& s) {
  std::erase(pool_, &s);
  files_.erase(s.slot);
  slots_.erase(s.slot);
}

result<std::shared_ptr<file>> segment_table::open(const segment& s) {
  if (const auto known = files_.find(s.slot); known != files_.end()) return known->second;
  auto opened = disk_.open(layout::segment_file(s.slot), open_mode::read_write);
  if (!opened) return opened.error();
  std::shared_ptr<file> handle = std::move(*opened);
  keep(s, handle);
  return handle;
}

void segment_table::keep(const segment& s, std::shared_ptr<file> opened) {
  // Readers hold on to theirs; the committer keeps the one that it writes.
  if (files_.size() >= most_open) files_.erase(files_.begin());
  files_[s.slot] = std::move(opened);
}

error_code fill_segment(file& made, std::uint64_t size) {
  constexpr std::uint64_t step = 1u << 20;
  const std::string zeros(static_cast<std::size_t>(std::min(step, size)), '\0');
  for (std::uint64_t at = block_size; at < size; at += zeros.size()) {
    const auto part = std::string_view(zeros).substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), size - at)));
    if (const auto error = made.write_at(at, std::span(&part, 1))) return error;
    // Piece by piece: the committer's sync waits behind whatever the disk has in hand.
    if (const auto error = made.sync()) return error;
  }
  return {};
}

result<std::shared_ptr<file>> make_segment(disk& storage, const store_options& options,
                                           std::uint32_t slot) {
  const auto name = layout::segment_file(slot);
  auto opened = storage.open(name, open_mode::create_new);
  if (!opened) return opened.error();
  std::shared_ptr<file> made = std::move(*opened);
  auto error = made->allocate(options.segment_size);
  const auto header = encode_segment_header({});
  const std::string_view parts[] = {header};
  if (!error) error = made->write_at(0, parts);
  if (!error) error = made->sync();
  if (!error && options.fault != known_fault::no_directory_sync) {
    error = storage.sync_directory(layout::segments);
  }
  if (error) {
    (void)storage.remove(name);
    return error;
  }
  return made;
}

}  // namespace relais::spool
