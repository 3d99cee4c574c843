#include "spool/index.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace relais::spool {
namespace {

constexpr std::size_t first_cells = 8;
/// What malloc adds to a block, about.
constexpr std::uint64_t block_overhead = 8;

std::size_t block_of(std::uint32_t recipients, std::size_t envelope) noexcept {
  return sizeof(index_entry) + recipients * sizeof(recipient_slot) + envelope;
}

constexpr std::uint32_t most_texts = 0xffffff;

}  // namespace

// --- text_pool

std::uint32_t text_pool::add(std::string_view text) {
  if (text.empty()) return 0;
  const auto [at, is_new] = handles_.try_emplace(std::string(text), 0);
  if (is_new) {
    if (free_.empty() && slots_.size() > most_texts) {  // more is not told apart
      handles_.erase(at);
      return 0;
    }
    std::uint32_t handle = 0;
    if (free_.empty()) {
      handle = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      handle = free_.back();
      free_.pop_back();
    }
    at->second = handle;
    slots_[handle].text = &at->first;
    memory_ += at->first.capacity() + 64 + sizeof(slot);
  }
  ++slots_[at->second].uses;
  return at->second;
}

std::uint32_t text_pool::take_over(text_pool& from, std::uint32_t handle) {
  if (handle == 0) return 0;
  auto& known = from.slots_[handle];
  const auto* here = known.taken_over == 0 ? nullptr : slots_[known.taken_over].text;
  if (here == nullptr || *here != *known.text) {  // or it has been released since
    known.taken_over = add(*known.text);
  } else {
    ++slots_[known.taken_over].uses;
  }
  return known.taken_over;
}

void text_pool::release(std::uint32_t handle) noexcept {
  if (handle == 0 || --slots_[handle].uses > 0) return;
  memory_ -= slots_[handle].text->capacity() + 64 + sizeof(slot);
  handles_.erase(handles_.find(*slots_[handle].text));
  slots_[handle] = {};
  free_.push_back(handle);
}

std::string_view text_pool::text(std::uint32_t handle) const noexcept {
  return handle == 0 ? std::string_view{} : std::string_view(*slots_[handle].text);
}

// --- index

recipient_slot::recipient_slot(const recipient_state& state, std::uint32_t text) noexcept
    : attempts_(static_cast<std::uint16_t>(std::min(state.attempts, 0xffffu))),
      warnings_(std::min<std::uint8_t>(state.warnings, 63) & 63),
      status_(static_cast<std::uint8_t>(state.status) & 3),
      text_(text & 0xffffff) {
  const auto since_1970 = std::chrono::floor<std::chrono::milliseconds>(state.next_attempt);
  const auto count = std::max<std::int64_t>(since_1970.time_since_epoch().count(), 0);
  time_top_ = static_cast<std::uint8_t>(count >> 40);
  time_high_ = static_cast<std::uint32_t>(count >> 32) & 0xff;
  time_low_ = static_cast<std::uint32_t>(count);
}

wall_time recipient_slot::next_attempt() const noexcept {
  const auto high = std::uint64_t{time_top_} << 40 | std::uint64_t{time_high_} << 32;
  const auto count = static_cast<std::int64_t>(high | time_low_);
  return wall_time(std::chrono::milliseconds(count));
}

bool index_entry::is_done() const noexcept {
  return std::none_of(slots(), slots() + recipients, [](const recipient_slot& r) {
    return r.status() == recipient_status::pending;
  });
}

index::~index() {
  for (auto& t : tables_)
    for (auto* entry : t.cells)
      if (entry != nullptr) ::operator delete(entry);
}

std::uint64_t index::hash(std::uint64_t id) noexcept {
  // Ids of one moment differ in few bits; both ends of the product depend on all of them.
  const auto mixed = (id ^ (id >> 32)) * 0x9e3779b97f4a7c15;
  return mixed ^ (mixed >> 29);
}

/// The low 32 bits of the hash, scaled to the size: the high ones chose the shard.
std::size_t index::table::home(std::uint64_t id) const noexcept {
  return static_cast<std::size_t>((hash(id) & 0xffffffff) * cells.size() >> 32);
}

index_entry* index::find(queue_id id) noexcept {
  auto& t = shard_of(id.value);
  if (t.cells.empty()) return nullptr;
  for (auto i = t.home(id.value); t.cells[i] != nullptr; i = t.behind(i))
    if (t.cells[i]->id == id.value) return t.cells[i];
  return nullptr;
}

void index::table::place(index_entry* entry) noexcept {
  auto i = home(entry->id);
  while (cells[i] != nullptr) i = behind(i);
  cells[i] = entry;
  ++used;
}

void index::make_room(table& t) {
  if ((t.used + 1) * 5 <= t.cells.size() * 4) return;
  const auto old = std::move(t.cells);
  t.cells = std::vector<index_entry*>(std::max(first_cells, old.size() + old.size() / 3));
  memory_ += (t.cells.size() - old.size()) * sizeof(index_entry*);
  t.used = 0;
  for (auto* entry : old)
    if (entry != nullptr) t.place(entry);
}

index_entry& index::insert(queue_id id, std::string_view text, std::uint32_t recipients) {
  auto& t = shard_of(id.value);
  make_room(t);
  const auto envelope = pack_envelope(text);
  const auto block = block_of(recipients, envelope.size());
  auto* entry = new (::operator new(block)) index_entry;
  entry->id = id.value;
  entry->recipients = recipients;
  entry->envelope_size = static_cast<std::uint32_t>(envelope.size());
  std::uninitialized_value_construct_n(entry->slots(), recipients);
  std::memcpy(entry->slots() + recipients, envelope.data(), envelope.size());
  t.place(entry);
  ++size_;
  memory_ += block + block_overhead;
  return *entry;
}

void index::erase(index_entry& entry) {
  auto& t = shard_of(entry.id);
  auto hole = t.home(entry.id);
  while (t.cells[hole] != &entry) hole = t.behind(hole);
  // Those behind move up, so that no search ends at the hole before it reaches them.
  const auto from = [&t](std::size_t home, std::size_t to) {
    return to >= home ? to - home : to + t.cells.size() - home;
  };
  for (auto i = t.behind(hole); t.cells[i] != nullptr; i = t.behind(i)) {
    const auto home = t.home(t.cells[i]->id);
    if (from(home, i) < from(hole, i)) continue;
    t.cells[hole] = t.cells[i];
    hole = i;
  }
  t.cells[hole] = nullptr;
  --t.used;
  --size_;
  for (std::uint32_t r = 0; r < entry.recipients; ++r) texts_.release(entry.slots()[r].text());
  if (entry.has_twins) twins.erase(queue_id{entry.id});
  if (entry.is_rerouted) next_hops.erase(queue_id{entry.id});
  memory_ -= block_of(entry.recipients, entry.envelope_size) + block_overhead;
  ::operator delete(&entry);
}

void index::set(index_entry& entry, std::uint32_t recipient, const recipient_state& state) {
  auto& slot = entry.slots()[recipient];
  const auto text = texts_.add(state.diagnostic);
  texts_.release(slot.text());
  slot = recipient_slot(state, text);
}

void index::set_next_hop(index_entry& entry, const std::string& next_hop) {
  if (entry.is_rerouted) next_hops.erase(queue_id{entry.id});
  entry.is_rerouted = !next_hop.empty();
  if (entry.is_rerouted) next_hops.emplace(queue_id{entry.id}, next_hop);
}

std::string index::next_hop_of(const index_entry& entry) const {
  return entry.is_rerouted ? next_hops.at(queue_id{entry.id}) : std::string();
}

void index::apply(index_entry& entry, const state_set& states, std::uint64_t sequence) {
  if (states.is_full) {
    for (std::uint32_t r = 0; r < entry.recipients; ++r) set(entry, r, {});
    entry.is_held = false;
    set_next_hop(entry, {});
  }
  for (const auto& e : states.entries) set(entry, e.recipient, e.state);
  if (states.hold) entry.is_held = *states.hold;
  if (states.next_hop) set_next_hop(entry, *states.next_hop);
  entry.state_sequence = std::max(entry.state_sequence, sequence);
}

state_set index::full_states(const index_entry& entry) const {
  state_set states;
  states.is_full = true;
  states.as_of = entry.state_sequence;
  if (entry.is_held) states.hold = true;
  if (entry.is_rerouted) states.next_hop = next_hop_of(entry);
  for (std::uint32_t r = 0; r < entry.recipients; ++r) {
    const auto& slot = entry.slots()[r];
    if (slot.is_new()) continue;
    auto& e = states.entries.emplace_back();
    e.recipient = r;
    e.state.status = slot.status();
    e.state.attempts = slot.attempts();
    e.state.warnings = slot.warnings();
    e.state.next_attempt = slot.next_attempt();
    e.state.diagnostic = texts_.text(slot.text());
  }
  return states;
}

stored_message index::to_message(const index_entry& entry) const {
  stored_message m;
  m.id = queue_id{entry.id};
  m.content_size = entry.content_size;
  m.is_held = entry.is_held;
  m.next_hop = next_hop_of(entry);
  // It was decoded once before it came in here.
  if (auto decoded = decode_envelope(entry.envelope())) {
    m.arrival = decoded->arrival;
    m.envelope = std::move(decoded->envelope);
  }
  m.recipients.resize(entry.recipients);
  for (auto& e : full_states(entry).entries) m.recipients[e.recipient] = std::move(e.state);
  return m;
}

void index::become(index& from) noexcept {
  std::swap(tables_, from.tables_);
  std::swap(texts_, from.texts_);
  std::swap(twins, from.twins);
  std::swap(next_hops, from.next_hops);
  std::swap(size_, from.size_);
  std::swap(memory_, from.memory_);
}

void index::absorb(std::size_t shard, index& from) {
  auto& t = tables_[shard];
  auto& source = from.tables_[shard];
  for (auto* entry : std::exchange(source.cells, {})) {
    if (entry == nullptr) continue;
    auto& e = *entry;
    for (std::uint32_t r = 0; r < e.recipients; ++r) {
      auto& slot = e.slots()[r];
      slot.set_text(texts_.take_over(from.texts_, slot.text()));
    }
    if (e.has_twins) twins.insert(from.twins.extract(queue_id{e.id}));
    if (e.is_rerouted) next_hops.insert(from.next_hops.extract(queue_id{e.id}));
    make_room(t);
    t.place(entry);
    ++size_;
    memory_ += block_of(e.recipients, e.envelope_size) + block_overhead;
    --from.size_;
  }
  source.used = 0;
}

void index::for_each(std::size_t shard, const std::function<void(index_entry&)>& visit) {
  for (auto* entry : tables_[shard].cells)
    if (entry != nullptr) visit(*entry);
}

}  // namespace relais::spool
