#include "spool/log_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace relais::spool {
namespace {

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) noexcept {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

}  // namespace

void log_state::look_at_space() {
  // A failure leaves the old figures: the writes will show what is wrong.
  if (const auto space = world.storage.space()) {
    free_bytes = space->bytes;
    free_inodes = space->inodes;
  }
}

void log_state::count_room() {
  const auto free = segments.free_count();
  const auto beyond = free > options.spare_segments ? free - options.spare_segments : 0;
  log_room = open_room_ + beyond * options.segment_size;
}

void log_state::set_open_room(std::uint64_t octets) {
  open_room_ = octets;
  count_room();
}

bool log_state::would_fit(std::uint64_t octets) const noexcept {
  return saturating_sum(free_bytes, log_room) >=
             saturating_sum(options.minimum_free_bytes, octets) &&
         free_inodes > options.minimum_free_inodes;
}

health log_state::has_room(std::uint64_t octets) const noexcept {
  if (has_failed || is_doubtful) return health::failed;
  if (would_fit(saturating_sum(octets, queued_octets))) return health::good;
  const auto all = saturating_sum(free_bytes, log_room);
  return all < options.critical_free_bytes || free_inodes <= options.critical_free_inodes
             ? health::critical
             : health::full;
}

result<log_state::taken> log_state::take_segment(segment_kind kind, bool from_reserve) {
  taken t;
  std::uint32_t slot = 0;
  {
    const std::lock_guard lock(mutex);
    // While the disk has room, maintenance makes another spare; else the last ones are kept for
    // states, which free the disk.
    const bool plenty =
        free_bytes >= saturating_sum(options.minimum_free_bytes, options.segment_size);
    if (segments.free_count() > (from_reserve || plenty ? 0 : options.spare_segments)) {
      t.s = segments.take();
    } else {
      slot = segments.new_slot();
    }
  }
  if (t.s == nullptr) {
    auto made = make_segment(slot);
    if (!made) return made.error();
    const std::lock_guard lock(mutex);
    t.s = &segments.adopt(slot);
    t.handle = std::move(*made);
  }
  const std::lock_guard lock(mutex);
  if (!t.handle) {
    auto opened = segments.open(*t.s);
    if (!opened) {
      t.s->use = segment_use::failed;
      return opened.error();
    }
    t.handle = std::move(*opened);
  }
  segments.keep(*t.s, t.handle);
  t.s->use = segment_use::open;
  t.s->header.kind = kind;
  t.s->header.number = ++last_number;
  t.s->header.generation =
      options.fault == known_fault::recycled_tail_stays_valid ? 1 : salts.next();
  t.s->header.sequence = next_sequence;
  t.s->header.highest_id = highest_id;
  auto& before = last_taken_[kind == segment_kind::hot ? 0 : 1];
  const auto* previous = segments.find(std::exchange(before, t.s->header.number));
  t.s->header.previous = previous == nullptr ? 0 : previous->number();
  t.s->header.previous_end = previous == nullptr ? 0 : previous->end;
  t.s->end = block_size;
  t.s->taken_at = log_octets;
  segments.registered(*t.s);
  count_room();
  return t;
}

void log_state::retire(segment& s, const error_code& why) {
  {
    const std::lock_guard lock(mutex);
    s.use = segment_use::failed;
  }
  ++write_errors;
  warn(fmt::format("the segment {} is not written any more: {}", layout::segment_file(s.slot),
                   why.message()));
}

void log_state::count_live(const index_entry& entry, bool lives) noexcept {
  auto* s = segments.find(entry.at.segment);
  const auto octets = entry.record_size();
  if (s == nullptr) return;
  if (lives) {
    ++s->live_messages;
    s->live_octets += octets;
    live_octets += octets;
  } else {
    --s->live_messages;
    s->live_octets -= octets;
    live_octets -= octets;
    if (s->live_messages == 0 && s->use == segment_use::sealed) maintenance_due = true;
  }
}

std::vector<std::uint32_t> log_state::copies_of(const index_entry& entry) const {
  std::vector<std::uint32_t> numbers{entry.at.segment};
  if (!entry.has_twins) return numbers;
  const auto twins = index.twins.find(queue_id{entry.id});
  if (twins != index.twins.end()) {
    numbers.insert(numbers.end(), twins->second.begin(), twins->second.end());
  }
  return numbers;
}

void log_state::leave(index_entry& entry, segment& holder) {
  const auto refer = [&](std::uint32_t number) {
    if (number != holder.number()) holder.done.push_back({queue_id{entry.id}, number});
  };
  if (entry.has_twins) {
    std::ranges::for_each(copies_of(entry), refer);
  } else {
    refer(entry.at.segment);
  }
  if (entry.is_large) {
    large_to_remove.push_back(queue_id{entry.id});
    maintenance_due = true;
  }
  died_octets += entry.record_size();
  count_live(entry, false);
  index.erase(entry);
}

}  // namespace relais::spool
