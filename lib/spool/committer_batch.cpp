// One batch of the committer: what goes into it, its write and sync, and the way into the index.
#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "spool/committer.hpp"
#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

/// Up to here a STAT record names all recipients, so that older ones need not be kept.
constexpr std::uint32_t few_recipients = 8;
/// One record, with the longest line of a DONE record and rounding.
constexpr std::uint64_t done_line = 64;
constexpr std::uint64_t maintenance_interval = 64;  // batches

std::uint64_t record_size(std::size_t text, std::size_t body) noexcept {
  return record_header_size + text + body + 8;
}

/// What states of that change take at most, for the plan; the record itself is measured.
std::uint64_t estimate(const state_change& change) noexcept {
  std::uint64_t octets = record_size(64, 0);
  if (change.next_hop) octets += 8 + change.next_hop->size();
  for (const auto& e : change.entries) octets += 64 + e.state.diagnostic.size();
  return octets;
}

/// Into a list sorted by recipient; of two states of one the later one stays.
void put(std::vector<state_change::entry>& entries, const state_change::entry& e) {
  const auto at =
      std::ranges::lower_bound(entries, e.recipient, {}, &state_change::entry::recipient);
  if (at != entries.end() && at->recipient == e.recipient) {
    at->state = e.state;
  } else {
    entries.insert(at, e);
  }
}

}  // namespace

bool committer::fits(std::uint64_t octets) const noexcept {
  const auto so_far = batch_.octets();
  if (so_far + octets > writer_.room()) return false;
  return so_far == 0 || so_far + octets <= state_.options.batch_octets;
}

// --- the segment

error_code committer::open_segment(bool from_reserve) {
  const auto error = writer_.open(segment_kind::hot, from_reserve);
  wake_maintenance_();
  if (error) return error;
  open_is_reserve_ = from_reserve;
  const std::lock_guard lock(state_.mutex);
  state_.set_open_room(writer_.room());
  return {};
}

/// Room for the first of what waits. Appends that find none are refused; states may use the
/// reserve.
error_code committer::ensure_segment(waiting& w) {
  std::uint64_t needed = block_size;
  if (w.has_appends()) {
    const auto& first = w.appends[w.next_append];
    needed = record_size(first.text.size(), first.request.content->content.size());
    for (const auto& change : first.request.together_with) needed += estimate(change);
  } else if (!w.changes.empty()) {
    needed = estimate(w.changes.front().change);
  }
  const bool is_for_states = open_is_reserve_ && w.has_appends();
  if (writer_.room() >= needed && !is_for_states) return {};
  if (w.has_appends()) {
    const auto error = open_segment(false);
    if (!error) return {};
    refuse_appends(w, error);
    // What is left of the open segment is for states, and so is the reserve.
    if (writer_.room() >= block_size) return {};
    if (w.changes.empty() && withdrawals_.empty()) return {};
  }
  return open_segment(true);
}

// --- what goes in

record_header committer::next_record(record_type type, queue_id id, std::uint32_t checksum) {
  record_header h;
  h.type = type;
  h.id = id.value;
  h.sequence = state_.next_sequence++;
  h.checksum = checksum;
  return h;
}

void committer::add_withdrawals() {
  std::string text;
  withdrawn_ = 0;
  for (const auto& [id, number] : withdrawals_) {
    if (!fits(record_size(text.size() + done_line, 0))) break;
    append_done(text, id, std::span(&number, 1));
    ++withdrawn_;
  }
  if (!text.empty()) batch_.add(next_record(record_type::done, {}, crc32c(text)), text, {});
}

void committer::add_appends(waiting& w) {
  std::uint64_t reserved = 0;  // for the states that come with them
  for (; w.has_appends(); ++w.next_append) {
    auto& a = w.appends[w.next_append];
    const auto& content = *a.request.content;
    auto needed = record_size(a.text.size(), content.content.size());
    for (const auto& change : a.request.together_with) needed += estimate(change);
    if (!fits(needed + reserved)) {
      // With an unlucky mixture the first might never fit: alone in a fresh segment it does.
      if (batch_.empty() && appends_.empty()) answer(a, errc::no_space), ++w.next_append;
      break;
    }
    const auto header = next_record(record_type::message, content.id, a.checksum);
    appends_.push_back({&a, header.sequence, batch_.add(header, a.text, content.content)});
    for (std::size_t part = 0; part < a.request.together_with.size(); ++part) {
      auto& change = a.request.together_with[part];
      // Other states of the same message may join it.
      reserved += estimate(change) + block_size;
      tied_.push_back({std::move(change), nullptr, 0, a.order, part, true, false});
    }
  }
}

/// Sorts what is known of each message together. What is tied to an append comes first: it must be
/// in this batch. Mutex held.
void committer::make_groups(waiting& w) {
  keys_.clear();
  // What was asked after an append that waits for the next batch waits with it: the states that
  // come with it may be older ones of the same recipients.
  const auto limit = w.has_appends() ? w.appends[w.next_append].order : UINT64_MAX;
  for (auto& c : w.changes)
    if (c.order < limit) keys_.push_back({c.change.id, c.order, c.part, &c});
  for (auto& c : tied_) keys_.push_back({c.change.id, c.order, c.part, &c});
  if (!std::ranges::is_sorted(keys_)) std::ranges::sort(keys_);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const bool alone = (i == 0 || keys_[i - 1].id != keys_[i].id) &&
                       (i + 1 == keys_.size() || keys_[i + 1].id != keys_[i].id);
    if (!alone || !leave_at_once(*keys_[i].change)) add_to_group(*keys_[i].change);
  }
  std::ranges::partition(groups_, &group::is_tied);
}

void committer::add_to_group(queued_change& change) {
  if (groups_.empty() || groups_.back().id != change.change.id) {
    groups_.emplace_back().id = change.change.id;
  }
  auto& g = groups_.back();
  g.changes.push_back(&change);
  g.is_tied = g.is_tied || change.is_tied;
  g.is_restoring = g.is_restoring || change.is_restoring;
}

/// The common case without much ado: one recipient, delivered. False: it is another case.
bool committer::leave_at_once(queued_change& change) {
  const auto& entries = change.change.entries;
  if (entries.size() != 1 || entries[0].state.status == recipient_status::pending ||
      change.is_tied || change.is_restoring) {
    return false;
  }
  auto* entry = state_.index.find(change.change.id);
  if (entry == nullptr) {
    answer_not_found(change);
    return true;
  }
  if (entry->recipients != 1 || entries[0].recipient != 0) return false;
  leavers_.push_back({entry, &change});
  return true;
}

void committer::answer_not_found(queued_change& change) {
  answers_.add(change.sink, change.token, errc::not_found);
  change.change.id = {};  // answered
}

/// Folds the changes of one message into one set; what makes no sense is answered. True: states are
/// to be written. Mutex held.
bool committer::merge(group& g) {
  auto* entry = g.entry = state_.index.find(g.id);
  const auto recipients = entry == nullptr ? 0 : entry->recipients;
  std::erase_if(g.changes, [&](queued_change* c) {
    const bool fitting = std::ranges::all_of(
        c->change.entries, [&](const auto& e) { return e.recipient < recipients; });
    if (entry != nullptr && fitting) return false;
    answer_not_found(*c);
    return true;
  });
  for (const auto* c : g.changes) {
    for (const auto& e : c->change.entries) put(g.states.entries, e);
    if (c->change.hold) g.states.hold = c->change.hold;
    if (c->change.next_hop) g.states.next_hop = c->change.next_hop;
  }
  if (g.changes.empty()) return false;
  std::uint32_t pending = 0;
  for (std::uint32_t r = 0; r < recipients; ++r)
    if (entry->slots()[r].status() == recipient_status::pending) ++pending;
  for (const auto& e : g.states.entries) {
    const bool was = entry->slots()[e.recipient].status() == recipient_status::pending;
    const bool is = e.state.status == recipient_status::pending;
    if (was && !is) --pending;
    if (!was && is) ++pending;
  }
  // A failed batch must be possible to undo, which a DONE record is not: what comes with an append
  // is stored as states first.
  if (pending == 0 && !g.is_tied) {
    for (auto* c : g.changes) leavers_.push_back({entry, c});
    return false;
  }
  if (!g.is_restoring && (g.is_tied || recipients > few_recipients)) return true;
  auto full = state_.index.full_states(*entry);
  for (const auto& e : g.states.entries) put(full.entries, e);
  if (g.states.hold) full.hold = g.states.hold;
  if (g.states.next_hop) full.next_hop = g.states.next_hop;
  g.states = std::move(full);
  return true;
}

/// Mutex held.
void committer::add_states() {
  std::erase_if(groups_, [&](group& g) { return !merge(g); });
  for (auto& g : groups_) {
    auto header = next_record(record_type::states, g.id, 0);
    if (g.states.is_full) g.states.as_of = header.sequence;
    append_states(g.text, g.states);
    if (!fits(record_size(g.text.size(), 0))) continue;
    header.checksum = crc32c(g.text);
    g.sequence = header.sequence;
    batch_.add(header, g.text, {});
    g.is_written = true;
  }
}

/// One DONE record for all. Mutex held.
void committer::add_leavers() {
  leaving_.clear();
  std::size_t count = 0;
  for (; count < leavers_.size(); ++count) {
    auto* entry = leavers_[count].entry;
    if (entry->is_leaving) continue;  // another change of the same message
    const auto copies = entry->has_twins ? state_.copies_of(*entry) : std::vector<std::uint32_t>();
    if (!fits(record_size(leaving_.size() + done_line + 9 * copies.size(), 0))) break;
    append_done(leaving_, queue_id{entry->id},
                entry->has_twins ? std::span(copies) : std::span(&entry->at.segment, 1));
    entry->is_leaving = true;
  }
  leavers_.resize(count);
  if (leaving_.empty()) return;
  batch_.add(next_record(record_type::done, {}, crc32c(leaving_)), leaving_, {});
}

// --- to the disk, and into memory

error_code committer::commit_some(waiting& w) {
  appends_.clear();
  tied_.clear();
  groups_.clear();
  leavers_.clear();
  if (const auto error = ensure_segment(w)) return error;
  if (!writer_.is_open()) return {};  // all were refused
  {
    const std::lock_guard lock(state_.mutex);
    state_.sequence_in_flight = state_.next_sequence;
  }
  writer_.begin(batch_);
  add_withdrawals();
  const auto first = w.next_append;
  add_appends(w);
  if (!w.changes.empty() || !tied_.empty()) {
    const std::lock_guard lock(state_.mutex);
    make_groups(w);
    add_states();
    add_leavers();
  }
  if (batch_.empty()) {
    const bool stuck = w.next_append == first && !groups_.empty();
    if (stuck) refuse_group(groups_.front());
    const std::lock_guard lock(state_.mutex);
    state_.sequence_in_flight = 0;
  } else {
    finish();
    write_and_answer();
  }
  // Those without an id have been answered; the rest goes into the next batch.
  std::erase_if(w.changes, [](const queued_change& c) { return c.change.id.value == 0; });
  // What is durable is answered before the next batch is written.
  answers_.deliver();
  if (!left_.empty()) state_.options.left(std::exchange(left_, {}));
  return {};
}

/// More than a whole segment could take.
void committer::refuse_group(group& g) {
  for (auto* c : g.changes) {
    answers_.add(c->sink, c->token, errc::no_space);
    c->change.id = {};
  }
}

void committer::write_and_answer() {
  const bool too_early = state_.options.fault == known_fault::acknowledge_before_sync;
  if (too_early) {
    apply();
    answer_batch();
    answers_.deliver();
  }
  if (const auto error = writer_.write(batch_)) return fail(error);
  ++state_.batches;
  failures_in_a_row_ = 0;
  state_.is_doubtful = false;
  if (too_early) return;
  apply();
  answer_batch();
}

void committer::finish() {
  queue_id highest;
  {
    const std::lock_guard lock(state_.mutex);
    highest = state_.highest_id;
  }
  for (const auto& placed : appends_)
    highest = std::max(highest, placed.append->request.content->id);
  writer_.finish(batch_, highest);
}

void committer::apply() {
  auto& target = writer_.target();
  const std::lock_guard lock(state_.mutex);
  for (const auto& placed : appends_) {
    const auto& content = *placed.append->request.content;
    const auto& text = placed.append->text;
    auto& entry = state_.index.insert(
        content.id, text, static_cast<std::uint32_t>(content.envelope.forward_paths.size()));
    entry.at = {target.number(), static_cast<std::uint32_t>(placed.offset),
                static_cast<std::uint32_t>(text.size())};
    entry.set_content_size(content.content_size());
    entry.is_large = content.large.has_value();
    entry.state_sequence = entry.full_sequence = placed.sequence;
    state_.count_live(entry, true);
    state_.highest_id = std::max(state_.highest_id, content.id);
  }
  for (const auto& g : groups_) {
    if (!g.is_written) continue;
    auto* entry = g.entry;
    state_.index.apply(*entry, g.states, g.sequence);
    if (entry->is_done()) put_later({{g.id, {}, {}}, nullptr, 0, 0, 0, false, false});
    target.states.push_back({g.id, g.sequence, g.states.is_full});
    if (!g.states.is_full) continue;
    entry->full_sequence = g.sequence;
    entry->full_segment = target.number();
  }
  for (std::size_t i = 0; i < leavers_.size(); ++i) {
    // Several changes of one message stand side by side.
    if (i > 0 && leavers_[i].entry == leavers_[i - 1].entry) continue;
    gone_.push_back(leavers_[i].entry);
  }
  for (auto* entry : gone_) {
    if (state_.options.left) left_.push_back(queue_id{entry->id});
    state_.leave(*entry, target);
  }
  gone_.clear();
  for (std::size_t i = 0; i < withdrawn_; ++i) {
    target.done.push_back({withdrawals_[i].first, withdrawals_[i].second});
  }
  withdrawals_.erase(withdrawals_.begin(),
                     withdrawals_.begin() + static_cast<std::ptrdiff_t>(withdrawn_));
  withdrawn_ = 0;
  state_.log_octets += batch_.octets();
  state_.log_since_checkpoint += batch_.octets();
  if (state_.log_since_checkpoint >= state_.checkpoint_due) state_.maintenance_due = true;
  state_.sequence_in_flight = 0;
  target.end = batch_.ends();
  state_.set_open_room(writer_.room());
}

void committer::answer_batch() {
  for (const auto& placed : appends_) answer(*placed.append, {});
  for (const auto& [entry, change] : leavers_) {
    answers_.add(change->sink, change->token, {});
    change->change.id = {};
  }
  for (auto& g : groups_) {
    if (!g.is_written) continue;
    for (auto* c : g.changes) {
      answers_.add(c->sink, c->token, {});
      c->change.id = {};
    }
  }
  // Whether compaction is worth it is asked now and then; the rest is known when it happens.
  if (state_.maintenance_due.exchange(false) || state_.batches % maintenance_interval == 0) {
    wake_maintenance_();
  }
}

}  // namespace relais::spool
