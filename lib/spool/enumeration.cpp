#include "spool/enumeration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"

namespace relais::spool {

result<recovery_report> enumerator::run(const std::function<void(stored_message)>& found) {
  report_.damaged = opening_.damaged;
  if (!opening_.needs_scan) {
    for (auto serial = opening_.checkpoints.rbegin();
         serial != opening_.checkpoints.rend() && !report_.from_checkpoint; ++serial) {
      report_.from_checkpoint = try_checkpoint(*serial);
    }
  }
  if (readings_.empty()) {
    for (auto* s : opening_.segments) readings_[s->number()].s = s;
  }
  // What a segment says that cannot be read today may be that a message has left. Rather than send
  // everything twice, or forget something for good, nothing is concluded.
  auto error = opening_.unreadable;
  if (!error) error = sync_all();
  if (!error) error = read_all();
  if (error) {
    for (const auto& sentence : report_.damaged) state_.warn(sentence);
    return error;
  }
  settle();
  bury();
  check_large();
  hand_over(found);
  return std::move(report_);
}

/// What a killed process wrote may be in the page cache only. Before anything is concluded from it,
/// and what it replaces is given up, it must be on the disk.
error_code enumerator::sync_all() {
  std::vector<std::pair<segment*, result<std::shared_ptr<file>>>> files;
  {
    const std::lock_guard lock(state_.mutex);
    for (const auto& [slot, s] : state_.segments.all()) {
      if (s->use == segment_use::sealed || s->use == segment_use::free) {
        files.emplace_back(s.get(), state_.segments.open(*s));
      }
    }
  }
  error_code first;
  for (const auto& [s, handle] : files) {
    const auto error = handle ? (*handle)->sync() : handle.error();
    if (!error) continue;
    complain(*s, "cannot be synced: " + error.message());
    if (!first) first = error;
    // What was just taken from the pool is the committer's to find out about.
    const std::lock_guard lock(state_.mutex);
    if (s->use == segment_use::free) state_.segments.set_aside(*s);
  }
  return first;
}

void enumerator::complain(const segment& s, const std::string& what) {
  report_.damaged.push_back(layout::segment_file(s.slot) + ": " + what);
}

// --- the checkpoint

bool enumerator::try_checkpoint(std::uint64_t serial) {
  index loaded;
  const auto name = layout::checkpoint_file(serial);
  const auto head = load_checkpoint(state_.world.storage, name, loaded);
  if (!head) {
    report_.damaged.push_back(fmt::format("{}: not used: {}", name, head.error().message()));
    return false;
  }
  from_sequence_ = head->sequence;
  for (auto* s : opening_.segments) readings_[s->number()].s = s;
  for (const auto& c : head->segments) {
    const auto known = readings_.find(c.number);
    if (known == readings_.end() || known->second.s->header.generation != c.generation) continue;
    known->second.covered = c.end;
  }
  index_.become(loaded);
  drop_unfounded(*head);
  return true;
}

/// A message whose segment is not in use any more left before the segment was freed; unless the
/// segment's file is gone: then it is lost, and that is said.
void enumerator::drop_unfounded(const checkpoint_head& head) {
  std::map<std::uint32_t, std::uint64_t> missing;  // by number
  std::set<std::uint32_t> founded;
  {
    const std::lock_guard lock(state_.mutex);
    for (const auto& c : head.segments) {
      const auto known = readings_.find(c.number);
      if (known != readings_.end() && known->second.s->header.generation == c.generation) {
        founded.insert(c.number);
      } else if (!state_.segments.all().contains(c.slot)) {
        missing[c.number] = 0;
      }
    }
  }
  for (std::size_t shard = 0; shard < index::shards; ++shard) {
    std::vector<index_entry*> gone;
    index_.for_each(shard, [&](index_entry& e) {
      if (founded.contains(e.at.segment)) return;
      gone.push_back(&e);
      if (const auto m = missing.find(e.at.segment); m != missing.end()) ++m->second;
    });
    // A copy elsewhere will do as well.
    for (auto* e : gone) index_.erase(*e);
  }
  for (const auto& [number, messages] : missing) {
    if (messages == 0) continue;
    report_.damaged.push_back(
        fmt::format("{}: a file of segment number {} is missing, and with it up to {} messages",
                    layout::segments, number, messages));
  }
}

// --- the records

error_code enumerator::read_all() {
  std::vector<reading*> order;
  for (auto& [number, r] : readings_) order.push_back(&r);
  std::ranges::sort(order, {}, [](const reading* r) { return r->s->number(); });
  for (const auto* r : order) {
    const auto& h = r->s->header;
    if (const auto before = readings_.find(h.previous); before != readings_.end())
      before->second.known_end = h.previous_end;
  }
  for (auto* r : order)
    if (const auto error = read_one(*r)) return error;
  return {};
}

error_code enumerator::read_one(reading& r) {
  result<std::shared_ptr<file>> handle = make_error_code(errc::not_found);
  std::uint64_t size = 0;
  {
    const std::lock_guard lock(state_.mutex);
    handle = state_.segments.open(*r.s);
    size = r.s->end;  // of the file, so far
  }
  read_request request;
  request.generation = r.s->header.generation;
  request.first_sequence = r.s->header.sequence;
  request.from = std::max<std::uint64_t>(r.covered, block_size);
  request.known_end = r.known_end;
  request.size = size;
  request.believe_anything = state_.options.fault == known_fault::recycled_tail_stays_valid;
  const auto each = [&](const record_view& record) { take(r, record); };
  const auto bad = [&](const std::string& what) { complain(*r.s, what); };
  auto read =
      handle ? read_segment(**handle, request, each, bad) : result<read_outcome>(handle.error());
  if (!read) {
    complain(*r.s, "cannot be read to its end: " + read.error().message());
    return read.error();
  }
  r.end = read->end;
  if (read->torn > 0) ++report_.incomplete;
  const std::lock_guard lock(state_.mutex);
  state_.highest_id = std::max(state_.highest_id, read->highest_id);
  return {};
}

void enumerator::take(reading& r, const record_view& record) {
  if (record.header.sequence < from_sequence_) return;
  switch (record.header.type) {
    case record_type::message:
    case record_type::moved: return take_message(r, record);
    case record_type::states: return take_states(r, record);
    case record_type::done: {
      const auto entries = decode_done(record.text);
      if (!entries)
        return complain(*r.s,
                        fmt::format("offset {}: a DONE record makes no sense", record.offset));
      for (const auto& e : *entries) {
        auto& holders = done_[e.id];
        if (holders.empty() || holders.back() != r.s->number()) holders.push_back(r.s->number());
        // A checkpoint may cover the copy and not know the message any more.
        for (const auto number : e.segments)
          if (number != r.s->number()) r.done.push_back({e.id, number});
      }
      return;
    }
    case record_type::commit: return;
  }
}

void enumerator::take_message(reading& r, const record_view& record) {
  const queue_id id{record.header.id};
  const auto decoded = decode_envelope(record.text);
  if (!decoded) {
    return complain(*r.s, fmt::format("offset {}: the envelope of {} makes no sense", record.offset,
                                      id.text()));
  }
  const auto envelope = record.text.substr(0, decoded->length);
  const auto recipients = static_cast<std::uint32_t>(decoded->envelope.forward_paths.size());
  state_set states;
  states.as_of = record.header.sequence;
  if (record.header.type == record_type::moved) {
    auto stored = decode_states(record.text.substr(decoded->length), recipients);
    if (!stored || !stored->is_full) {
      return complain(
          *r.s, fmt::format("offset {}: the states of {} make no sense", record.offset, id.text()));
    }
    states = std::move(*stored);
  }
  const auto number = r.s->number();
  auto* entry = index_.find(id);
  if (entry == nullptr) {
    entry = &index_.insert(id, envelope, recipients);
    entry->at.segment = 0;
  } else if (entry->at.segment == number && entry->at.offset == record.offset) {
    return;  // of the checkpoint
  }
  // The copy with the newest states becomes the message, the others are twins.
  auto& twins = index_.twins;
  auto other = number;
  if (entry->at.segment == 0 || states.as_of >= entry->full_sequence) {
    other = entry->at.segment;
    entry->at = {number, static_cast<std::uint32_t>(record.offset), record.header.text_size};
    entry->set_content_size(decoded->large ? decoded->large->size : record.header.body_size);
    entry->is_large = decoded->large.has_value();
    entry->full_sequence = states.as_of;
    entry->full_segment = 0;
  }
  if (other != 0 && other != number) {
    twins[id].push_back(other);
    entry->has_twins = true;
  }
  if (record.header.type == record_type::message) {
    entry->state_sequence = std::max(entry->state_sequence, states.as_of);
    return;
  }
  const auto as_of = states.as_of;
  fold(folded_[id], as_of, 0, std::move(states));
}

void enumerator::take_states(reading& r, const record_view& record) {
  // How many recipients there are is known when the message is.
  auto states = decode_states(record.text, UINT32_MAX);
  if (!states) {
    return complain(*r.s, fmt::format("offset {}: a STAT record makes no sense", record.offset));
  }
  const queue_id id{record.header.id};
  const auto sequence = states->is_full ? states->as_of : record.header.sequence;
  if (r.covered == 0) r.states.push_back({id, sequence, states->is_full});
  fold(folded_[id], sequence, r.s->number(), std::move(*states));
}

void enumerator::fold(folded& to, std::uint64_t sequence, std::uint32_t segment, state_set states) {
  if (!states.is_full) {
    if (sequence > to.full_sequence) to.deltas[sequence] = std::move(states);
    return;
  }
  if (to.full && to.full_sequence > sequence) return;
  to.full_sequence = sequence;
  to.full_segment = segment;
  to.full = std::move(states);
  to.deltas.erase(to.deltas.begin(), to.deltas.upper_bound(sequence));
}

// --- putting together

void enumerator::settle() {
  for (auto& [id, f] : folded_) {
    auto* entry = index_.find(id);
    if (entry != nullptr && !done_.contains(id)) settle_states(*entry, f);
  }
  folded_.clear();
}

void enumerator::settle_states(index_entry& entry, folded& f) {
  const auto fits = [&](const state_set& states) {
    return std::ranges::all_of(states.entries,
                               [&](const auto& e) { return e.recipient < entry.recipients; });
  };
  // What a checkpoint has folded in already is as new or newer.
  const bool newer = f.full && f.full_sequence >= entry.state_sequence;
  if (newer && fits(*f.full)) {
    index_.apply(entry, *f.full, f.full_sequence);
  }
  // As new as what the message's own record says: that one will do. As new as what a checkpoint
  // knew: the record that was seen counts, the other one may have been carried forward and be gone.
  const bool known = entry.full_segment == 0 || f.full_segment == 0;
  if (f.full && (f.full_sequence > entry.full_sequence ||
                 (f.full_sequence == entry.full_sequence && !known))) {
    entry.full_sequence = f.full_sequence;
    entry.full_segment = f.full_segment;
  }
  for (const auto& [sequence, states] : f.deltas)
    if (sequence > entry.state_sequence && fits(states)) index_.apply(entry, states, sequence);
}

/// Those that have left: their DONE records are needed as long as a copy of them is there.
void enumerator::bury() {
  for (const auto& [id, holders] : done_) {
    auto* entry = index_.find(id);
    if (entry == nullptr) continue;
    std::vector<std::uint32_t> copies{entry->at.segment};
    if (entry->has_twins) {
      const auto& twins = index_.twins[id];
      copies.insert(copies.end(), twins.begin(), twins.end());
    }
    for (const auto holder : holders) {
      auto& r = readings_[holder];
      for (const auto number : copies)
        if (number != holder) r.done.push_back({id, number});
    }
    index_.erase(*entry);
  }
}

void enumerator::check_large() {
  auto orphans = opening_.large_files;
  for (std::size_t shard = 0; shard < index::shards; ++shard) {
    index_.for_each(shard, [&](index_entry& e) {
      if (!e.is_large || orphans.erase(queue_id{e.id}) > 0) return;
      report_.damaged.push_back(layout::large_file(queue_id{e.id}) +
                                ": is missing: the content of a message is lost");
    });
  }
  report_.incomplete += orphans.size();
  for (const auto id : orphans) (void)state_.world.storage.remove(layout::large_file(id));
}

void enumerator::hand_over(const std::function<void(stored_message)>& found) {
  {
    const std::lock_guard lock(state_.mutex);
    for (auto& [number, r] : readings_) {
      if (r.s == nullptr) continue;
      r.s->end = r.end;
      r.s->refs_known = r.covered == 0;
      r.s->done = std::move(r.done);
      r.s->states = std::move(r.states);
    }
  }
  for (std::size_t shard = 0; shard < index::shards; ++shard) {
    index_.for_each(shard, [&](index_entry& e) {
      if (e.is_done()) {
        finished_.push_back(queue_id{e.id});
      } else {
        found(index_.to_message(e));
        ++report_.messages;
      }
    });
    const std::lock_guard lock(state_.mutex);
    index_.for_each(shard, [&](index_entry& e) { state_.count_live(e, true); });
    state_.index.absorb(shard, index_);
  }
  state_.is_enumerated = true;
}

}  // namespace relais::spool
