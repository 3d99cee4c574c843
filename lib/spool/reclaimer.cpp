#include "spool/reclaimer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {
namespace {

constexpr std::size_t removals_per_step = 64;
/// Free segments beyond the spares that are kept for the next burst.
constexpr std::size_t kept_for_bursts = 16;
constexpr std::size_t most_text = 512 * 1024;
/// What one of them takes when it is carried forward, about.
constexpr std::uint64_t done_octets = 32;
constexpr std::uint64_t states_octets = 256;

}  // namespace

reclaimer::outcome reclaimer::step() {
  if (remove_large()) return {true, {}};
  if (!stopped_ && state_.is_enumerated) {
    if (auto* s = find_empty()) {
      if (const auto error = free_segment(*s)) stop(*s, error);
      return {true, {}};
    }
  }
  if (make_spare()) return {true, {}};
  if (stopped_ || !state_.is_enumerated) return {};
  if (victim_.s == nullptr) {
    auto* s = find_victim();
    if (s == nullptr) return {};
    if (const auto error = begin_victim(*s)) stop(*s, error);
    return {true, {}};
  }
  if (const auto pause = pause_before_copy()) return {false, *pause};
  if (const auto error = copy_some()) stop(*victim_.s, error);
  return {true, {}};
}

void reclaimer::stop(segment& s, const error_code& why) {
  // Without room for the copies there is nothing to be done now, but nothing is in doubt either.
  if (why == errc::no_space) {
    s.is_postponed = true;
    victim_ = {};
    return;
  }
  stopped_ = true;
  victim_ = {};
  // Only a scan of everything finds the copies that the failed batch may have left behind.
  state_.may_checkpoint = false;
  state_.warn(fmt::format("the spool gives no room back until the next start: {}: {}",
                          layout::segment_file(s.slot), why.message()));
}

bool reclaimer::remove_large() {
  std::vector<queue_id> ids;
  {
    const std::lock_guard lock(state_.mutex);
    auto& all = state_.large_to_remove;
    const auto count = std::min(all.size(), removals_per_step);
    ids.assign(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
    all.resize(all.size() - count);
  }
  // Not synced: a file that comes back after a crash is an orphan, and goes at the next start.
  for (const auto id : ids) (void)state_.world.storage.remove(layout::large_file(id));
  return !ids.empty();
}

bool reclaimer::make_spare() {
  std::uint32_t slot = 0;
  {
    const std::lock_guard lock(state_.mutex);
    if (state_.segments.free_count() >= state_.options.spare_segments) return false;
    if (state_.has_failed || spare_failed_at_ == state_.batches) return false;
    slot = state_.segments.new_slot();
  }
  auto made = state_.make_segment(slot);
  if (made) {
    if (const auto error = fill_segment(**made, state_.options.segment_size)) {
      (void)state_.world.storage.remove(layout::segment_file(slot));
      made = error;
    }
  }
  state_.look_at_space();
  const std::lock_guard lock(state_.mutex);
  if (!made) {
    spare_failed_at_ = state_.batches;  // again when the log has moved on
    return false;
  }
  auto& s = state_.segments.adopt(slot);
  state_.segments.keep(s, std::move(*made));
  state_.segments.give_back(s);
  state_.count_room();
  state_.octets_written += state_.options.segment_size;
  return true;
}

void reclaimer::trim_pool() {
  for (;;) {
    std::uint32_t slot = 0;
    {
      const std::lock_guard lock(state_.mutex);
      if (state_.segments.free_count() <= state_.options.spare_segments + kept_for_bursts) break;
      auto* s = state_.segments.take();
      slot = s->slot;
      state_.segments.forget(*s);
      state_.count_room();
    }
    (void)state_.world.storage.remove(layout::segment_file(slot));
  }
}

// --- freeing

segment* reclaimer::find_empty() {
  const std::lock_guard lock(state_.mutex);
  for (const auto& [slot, s] : state_.segments.all()) {
    if (s->use == segment_use::sealed && s->live_messages == 0 && !s->is_stuck &&
        !s->is_postponed && s.get() != victim_.s && s->wait_for_dead <= state_.died_octets &&
        s->wait_for_log <= state_.log_octets) {
      return s.get();
    }
  }
  return nullptr;
}

error_code reclaimer::free_segment(segment& s) {
  if (!s.refs_known) {
    if (const auto error = learn_refs(s)) return error;
  }
  if (s.is_stuck || carries_much(s)) return {};
  if (const auto error = carry_forward(s)) return error;
  result<std::shared_ptr<file>> handle = make_error_code(errc::not_found);
  auto header = s.header;
  header.kind = segment_kind::free;
  {
    const std::lock_guard lock(state_.mutex);
    // It may be the last one to know of what was in it.
    header.highest_id = state_.highest_id;
    header.sequence = state_.next_sequence;
    handle = state_.segments.open(s);
  }
  if (!handle) return handle.error();
  const auto block = encode_segment_header(header);
  const std::string_view parts[] = {block};
  auto error = (*handle)->write_at(0, parts);
  if (!error) error = (*handle)->sync();
  // Then the first records go: a damaged header with a record behind it is that of a segment in
  // use. Not before, or a crash between would look like damage; and not synced, it is only for
  // that.
  const std::string zeros(block_size, '\0');
  const std::string_view nothing[] = {zeros};
  if (!error) error = (*handle)->write_at(block_size, nothing);
  if (error) {
    state_.retire(s, error);
    return error;
  }
  state_.octets_written += 2 * block_size;
  if (s.size != 0) (void)state_.world.storage.remove(layout::segment_file(s.slot));
  const std::lock_guard lock(state_.mutex);
  if (s.size != 0) {
    // Made for another segment size.
    state_.segments.discarded(s);
  } else {
    state_.segments.freed(s);
  }
  state_.count_room();
  for (const auto& [slot, other] : state_.segments.all()) other->is_postponed = false;
  return {};
}

/// What must be carried forward would fill most of another segment, which would be no emptier: that
/// waits until enough messages have left. And what was carried a moment ago is not carried again
/// before the log has grown by a segment.
bool reclaimer::carries_much(segment& s) {
  const std::lock_guard lock(state_.mutex);
  std::uint64_t octets = 0;
  for (const auto& ref : s.done)
    if (is_needed(ref, s)) octets += done_octets;
  for (const auto& ref : s.states)
    if (is_needed(ref, s)) octets += states_octets;
  const bool much = octets > state_.options.segment_size / 2;
  const bool fresh = octets > 0 && state_.log_octets < s.taken_at + state_.options.segment_size;
  if (much) s.wait_for_dead = state_.died_octets + state_.options.segment_size;
  if (fresh) s.wait_for_log = s.taken_at + state_.options.segment_size;
  return much || fresh;
}

/// Mutex held.
bool reclaimer::is_needed(const done_ref& ref, const segment& s) {
  return ref.segment != s.number() && state_.segments.find(ref.segment) != nullptr;
}

/// Mutex held.
bool reclaimer::is_needed(const state_ref& ref, const segment& s) {
  const auto* entry = state_.index.find(ref.id);
  if (entry == nullptr) return false;
  return ref.is_full ? entry->full_sequence == ref.sequence && entry->full_segment == s.number()
                     : ref.sequence > entry->full_sequence;
}

/// What a checkpoint covered was never read: the records tell what must be carried.
error_code reclaimer::learn_refs(segment& s) {
  std::vector<done_ref> done;
  std::vector<state_ref> states;
  const auto error = walk(s, [&](const record_view& r) {
    if (r.header.type == record_type::done) {
      const auto entries = decode_done(r.text);
      if (!entries) return;
      for (const auto& e : *entries)
        for (const auto number : e.segments) done.push_back({e.id, number});
    } else if (r.header.type == record_type::states) {
      const auto set = decode_states(r.text, UINT32_MAX);
      if (!set) return;
      states.push_back(
          {queue_id{r.header.id}, set->is_full ? set->as_of : r.header.sequence, set->is_full});
    }
  });
  if (error) return error;
  const std::lock_guard lock(state_.mutex);
  // What enumeration has found out stays: copies that the record itself knows nothing of.
  s.done.insert(s.done.end(), done.begin(), done.end());
  s.states = std::move(states);
  s.refs_known = true;
  return {};
}

/// The heads of all records. Of a damaged segment it is not known what must be carried: it stays.
error_code reclaimer::walk(segment& s, const std::function<void(const record_view&)>& take) {
  result<std::shared_ptr<file>> handle = make_error_code(errc::not_found);
  {
    const std::lock_guard lock(state_.mutex);
    handle = state_.segments.open(s);
  }
  if (!handle) return handle.error();
  const auto complain = [&](const std::string& what) {
    s.is_stuck = true;
    state_.warn(layout::segment_file(s.slot) + ": " + what + "; it is kept");
  };
  read_request request;
  request.generation = s.header.generation;
  request.first_sequence = s.header.sequence;
  request.size = s.end;
  request.verify_bodies = false;
  const auto read = read_segment(**handle, request, take, complain);
  return read ? error_code() : read.error();
}

error_code reclaimer::carry_forward(segment& s) {
  if (const auto error = carry_done(s)) return error;
  return carry_states(s);
}

error_code reclaimer::carry_done(segment& s) {
  std::vector<done_ref> needed;
  {
    const std::lock_guard lock(state_.mutex);
    for (const auto& ref : s.done)
      if (is_needed(ref, s)) needed.push_back(ref);
  }
  return write_done(needed);
}

error_code reclaimer::write_done(const std::vector<done_ref>& refs) {
  for (std::size_t first = 0; first < refs.size();) {
    if (const auto error = cold_.begin(block_size)) return error;
    std::string text;
    auto last = first;
    for (; last < refs.size() && text.size() < most_text &&
           cold_.fits(record_header_size + text.size() + 64);
         ++last) {
      append_done(text, refs[last].id, std::span(&refs[last].segment, 1));
    }
    cold_.add(record_type::done, {}, text, {});
    if (const auto error = cold_.commit()) return error;
    const std::lock_guard lock(state_.mutex);
    auto& target = cold_.target();
    for (; first < last; ++first)
      if (refs[first].segment != target.number()) target.done.push_back(refs[first]);
  }
  return {};
}

error_code reclaimer::carry_states(segment& s) {
  struct carried {
    queue_id id;
    std::string text;
    std::uint64_t as_of = 0;
  };
  std::vector<carried> all;
  {
    const std::lock_guard lock(state_.mutex);
    for (const auto& ref : s.states) {
      if (!is_needed(ref, s) || (!all.empty() && all.back().id == ref.id)) continue;
      const auto* entry = state_.index.find(ref.id);
      const auto states = state_.index.full_states(*entry);
      append_states(all.emplace_back(ref.id, std::string(), states.as_of).text, states);
    }
  }
  for (std::size_t first = 0; first < all.size();) {
    if (const auto error = cold_.begin(record_header_size + all[first].text.size() + block_size)) {
      return error;
    }
    auto last = first;
    std::size_t octets = 0;
    for (; last < all.size() && octets < most_text; ++last) {
      const auto size = record_header_size + all[last].text.size() + 8;
      if (!cold_.fits(size)) break;
      cold_.add(record_type::states, all[last].id, all[last].text, {});
      octets += size;
    }
    if (last == first) return errc::no_space;  // more than a segment takes
    if (const auto error = cold_.commit()) return error;
    const std::lock_guard lock(state_.mutex);
    auto& target = cold_.target();
    for (; first < last; ++first) {
      const auto& c = all[first];
      target.states.push_back({c.id, c.as_of, true});
      auto* entry = state_.index.find(c.id);
      // A newer full set may have been stored meanwhile.
      if (entry == nullptr || entry->full_sequence > c.as_of) continue;
      entry->full_sequence = c.as_of;
      entry->full_segment = target.number();
    }
  }
  return {};
}

}  // namespace relais::spool
