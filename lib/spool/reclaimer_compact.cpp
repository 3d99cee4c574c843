// Compaction: what lives in a segment that is mostly dead is copied to the cold segment, with its
// states folded in, so that the segment can be freed. One stuck message never pins a disk.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "spool/crc32c.hpp"
#include "spool/reclaimer.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {
namespace {

constexpr std::uint64_t octets_per_step = 1u << 20;
/// Above that share of live octets a copy gains too little. In need of room more is worth it, but
/// not for what is a copy already, or the same would be copied again and again.
constexpr double worth_copying = 0.6;
constexpr double worth_copying_in_need = 0.9;
/// So many segments are copied without any being saved before that is noticed.
constexpr unsigned most_in_vain = 4;
constexpr auto pause_for_credit = std::chrono::milliseconds(20);

bool is_needy(const log_state& state) {
  return state.free_bytes + state.log_room <
         state.options.minimum_free_bytes + 2 * state.options.segment_size;
}

}  // namespace

/// Nothing, if the budget allows a copy now. Far behind, or with a disk that fills, there is none.
std::optional<duration> reclaimer::pause_before_copy() {
  const auto now = state_.world.time.now();
  const double rate = static_cast<double>(state_.options.compaction_rate);
  if (copied_at_) {
    credit_ += std::chrono::duration<double>(now - *copied_at_).count() * rate;
    credit_ = std::min(credit_, std::max(rate, static_cast<double>(octets_per_step)));
  }
  copied_at_ = now;
  std::uint64_t used = 0, live = 0;
  {
    const std::lock_guard lock(state_.mutex);
    used = state_.segments.used_count() * state_.options.segment_size;
    live = state_.live_octets;
  }
  const bool behind = used > live * 5 / 2 + state_.options.compaction_slack;
  if (credit_ >= 0 || behind || is_needy(state_)) return {};
  return pause_for_credit;
}

/// Mutex held.
bool reclaimer::copying_helps() {
  const auto moved_on = state_.died_octets - progress_.died_octets +
                        (state_.batches - progress_.batches) * block_size;
  if (moved_on >= state_.options.segment_size)
    progress_ = {state_.died_octets, state_.batches, SIZE_MAX, 0};
  return progress_.in_vain < most_in_vain;
}

segment* reclaimer::find_victim() {
  const bool need = is_needy(state_);
  const std::lock_guard lock(state_.mutex);
  const bool helps = copying_helps();
  const auto used = state_.segments.used_count() * state_.options.segment_size;
  const auto allowed = need ? state_.live_octets + 2 * state_.options.segment_size
                            : 2 * state_.live_octets + state_.options.compaction_slack;
  segment* best = nullptr;
  double best_share = 1;
  for (const auto& [slot, s] : state_.segments.all()) {
    if (s->use != segment_use::sealed || s->is_stuck || s->is_postponed) continue;
    if (s->live_messages == 0) continue;  // find_empty() decides when
    if (s->is_suspect) return s.get();
    const auto share =
        static_cast<double>(s->live_octets) / static_cast<double>(state_.options.segment_size);
    const bool is_copy = s->header.kind == segment_kind::cold;
    const auto limit = need && !is_copy ? worth_copying_in_need : worth_copying;
    if (!helps || used <= allowed || share >= std::min(limit, best_share)) continue;
    best_share = share;
    best = s.get();
  }
  return best;
}

error_code reclaimer::begin_victim(segment& s) {
  victim_ = {};
  victim_.s = &s;
  return walk(s, [this](const record_view& r) {
    if (!r.header.has_message()) return;
    victim_.candidates.emplace_back(queue_id{r.header.id}, static_cast<std::uint32_t>(r.offset));
  });
}

error_code reclaimer::copy_some() {
  auto batch = collect();
  if (batch.empty() && victim_.next >= victim_.candidates.size()) return finish_victim();
  std::erase_if(batch, [&](copied& c) { return !read(c); });
  const auto size_of = [](const copied& c) {
    return record_header_size + c.text.size() + c.body.size() + 8;
  };
  std::vector<done_ref> dead;
  for (std::size_t first = 0; first < batch.size();) {
    if (const auto error = cold_.begin(size_of(batch[first]))) return error;
    std::vector<copied> part;
    for (; first < batch.size() && (part.empty() || cold_.fits(size_of(batch[first]))); ++first) {
      credit_ -= static_cast<double>(size_of(batch[first]));
      auto& c = part.emplace_back(std::move(batch[first]));
      c.to = static_cast<std::uint32_t>(cold_.add(record_type::moved, c.id, c.text, c.body));
    }
    if (const auto error = cold_.commit()) return error;
    flip(part, dead);
  }
  // They left while they were copied: the copy needs a DONE record, too.
  return dead.empty() ? error_code() : write_done(dead);
}

/// The next messages that still live where they were found.
std::vector<reclaimer::copied> reclaimer::collect() {
  std::vector<copied> batch;
  std::uint64_t octets = 0;
  const std::lock_guard lock(state_.mutex);
  for (; victim_.next < victim_.candidates.size() && octets < octets_per_step; ++victim_.next) {
    const auto& [id, offset] = victim_.candidates[victim_.next];
    const auto* entry = state_.index.find(id);
    if (entry == nullptr || entry->at.segment != victim_.s->number() || entry->at.offset != offset)
      continue;
    auto& c = batch.emplace_back();
    c.id = id;
    c.from = offset;
    const auto states = state_.index.full_states(*entry);
    c.as_of = states.as_of;
    c.text = entry->envelope();
    append_states(c.text, states);
    octets += entry->record_size();
  }
  return batch;
}

bool reclaimer::read(copied& c) {
  auto record = read_record(state_, c.id);
  if (record) {
    c.body = std::move(record->body);
    return true;
  }
  if (record.error() == errc::not_found) return false;  // it left
  if (!std::exchange(victim_.s->is_stuck, true)) {
    state_.warn(fmt::format("{}: the message {} cannot be read ({}): the segment stays as it is",
                            layout::segment_file(victim_.s->slot), c.id.text(),
                            record.error().message()));
  }
  return false;
}

void reclaimer::flip(std::vector<copied>& batch, std::vector<done_ref>& dead) {
  const std::lock_guard lock(state_.mutex);
  const auto from = victim_.s->number();
  const auto to = cold_.target().number();
  for (const auto& c : batch) {
    auto* entry = state_.index.find(c.id);
    if (entry == nullptr || entry->is_leaving) {
      // Its DONE record knows nothing of the copy.
      dead.push_back({c.id, to});
      dead.push_back({c.id, from});
      if (entry == nullptr) continue;
    }
    state_.count_live(*entry, false);
    entry->at = {to, c.to, static_cast<std::uint32_t>(c.text.size())};
    state_.count_live(*entry, true);
    if (entry->full_sequence <= c.as_of) {
      entry->full_sequence = c.as_of;
      entry->full_segment = 0;
    }
    state_.index.twins[c.id].push_back(from);
    entry->has_twins = true;
    victim_.moved.push_back(c.id);
  }
}

error_code reclaimer::finish_victim() {
  auto done = std::exchange(victim_, {});
  const auto number = done.s->number();
  bool empty = false;
  {
    const std::lock_guard lock(state_.mutex);
    empty = done.s->live_messages == 0;
    if (!empty) done.s->is_stuck = true;
  }
  if (!empty) return {};
  victim_.s = done.s;  // for the report of a failure
  if (const auto error = free_segment(*done.s)) return error;
  victim_.s = nullptr;
  const std::lock_guard lock(state_.mutex);
  if (done.s->use != segment_use::free) return {};  // later: what is in it stays a copy
  const auto used = state_.segments.used_count();
  progress_.in_vain = used < progress_.least_used ? 0 : progress_.in_vain + 1;
  progress_.least_used = std::min(progress_.least_used, used);
  for (const auto id : done.moved) {
    auto* entry = state_.index.find(id);
    if (entry == nullptr || !entry->has_twins) continue;
    auto& twins = state_.index.twins[id];
    std::erase(twins, number);
    if (!twins.empty()) continue;
    state_.index.twins.erase(id);
    entry->has_twins = false;
  }
  return {};
}

}  // namespace relais::spool
