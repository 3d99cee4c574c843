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

void text_pool::release(std::uint32_t handle) noexcept {
  if (handle == 0 || --slots_[handle].uses > 0) return;
  memory_ -= slots_[handle].text->capacity() + 64 + sizeof(slot);
  handles_.erase(handles_.find(*slots_[handle].text));
  slots_[handle].text = nullptr;
  free_.push_back(handle);
}

std::string_view text_pool::text(std::uint32_t handle) const noexcept {
  return handle == 0 ? std::string_view{} : std::string_view(*slots_[handle].text);
}

// --- index

bool index_entry::is_done() const noexcept {
  return std::none_of(slots(), slots() + recipients, [](const recipient_slot& r) {
    return r.status() == recipient_status::pending;
  });
}

index::~index() {
  for (auto& t : tables_)
    for (auto& c : t.cells)
      if (c.entry != nullptr) ::operator delete(c.entry);
}

std::uint64_t index::hash(std::uint64_t id) noexcept {
  // Ids of one moment differ in few bits; both ends of the product depend on all of them.
  const auto mixed = (id ^ (id >> 32)) * 0x9e3779b97f4a7c15;
  return mixed ^ (mixed >> 29);
}

index_entry* index::find(queue_id id) noexcept {
  const auto h = hash(id.value);
  auto& t = shard_of(h);
  if (t.cells.empty()) return nullptr;
  const auto mask = t.cells.size() - 1;
  for (auto i = h & mask; t.cells[i].entry != nullptr; i = (i + 1) & mask)
    if (t.cells[i].id == id.value) return t.cells[i].entry;
  return nullptr;
}

void index::place_cell(table& t, cell c) noexcept {
  const auto mask = t.cells.size() - 1;
  auto i = hash(c.id) & mask;
  while (t.cells[i].entry != nullptr) i = (i + 1) & mask;
  t.cells[i] = c;
}

void index::grow(table& t) {
  const auto old = std::move(t.cells);
  t.cells = std::vector<cell>(old.empty() ? first_cells : old.size() * 2);
  memory_ += (t.cells.size() - old.size()) * sizeof(cell);
  for (const auto& c : old)
    if (c.entry != nullptr) place_cell(t, c);
}

index_entry& index::insert(queue_id id, std::string_view envelope, std::uint32_t recipients) {
  auto& t = shard_of(hash(id.value));
  if ((t.used + 1) * 4 > t.cells.size() * 3) grow(t);
  const auto block = block_of(recipients, envelope.size());
  auto* entry = new (::operator new(block)) index_entry;
  entry->id = id.value;
  entry->recipients = recipients;
  entry->envelope_size = static_cast<std::uint32_t>(envelope.size());
  std::uninitialized_value_construct_n(entry->slots(), recipients);
  std::memcpy(entry->slots() + recipients, envelope.data(), envelope.size());
  place_cell(t, {id.value, entry});
  ++t.used;
  ++size_;
  memory_ += block + block_overhead;
  return *entry;
}

void index::erase(index_entry& entry) {
  auto& t = shard_of(hash(entry.id));
  const auto mask = t.cells.size() - 1;
  auto hole = hash(entry.id) & mask;
  while (t.cells[hole].id != entry.id || t.cells[hole].entry == nullptr) hole = (hole + 1) & mask;
  // Those behind move up, so that no search ends at the hole before it reaches them.
  for (auto i = (hole + 1) & mask; t.cells[i].entry != nullptr; i = (i + 1) & mask) {
    const auto home = hash(t.cells[i].id) & mask;
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    t.cells[hole] = t.cells[i];
    hole = i;
  }
  t.cells[hole] = {};
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
  slot.attempts = std::min(state.attempts, 0xffffffu) | std::uint32_t{state.warnings} << 24;
  slot.diagnostic = static_cast<std::uint32_t>(state.status) << 24 | text;
  slot.next_attempt = state.next_attempt;
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
    if (slot.diagnostic == 0 && slot.attempts == 0 && slot.next_attempt == wall_time{}) continue;
    auto& e = states.entries.emplace_back();
    e.recipient = r;
    e.state.status = slot.status();
    e.state.attempts = slot.attempt_count();
    e.state.warnings = slot.warnings();
    e.state.next_attempt = slot.next_attempt;
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

void index::absorb(std::size_t shard, index& from) {
  auto& t = tables_[shard];
  auto& source = from.tables_[shard];
  for (auto& c : std::exchange(source.cells, {})) {
    if (c.entry == nullptr) continue;
    auto& e = *c.entry;
    for (std::uint32_t r = 0; r < e.recipients; ++r) {
      auto& slot = e.slots()[r];
      const auto text = texts_.add(from.texts_.text(slot.text()));
      from.texts_.release(slot.text());
      slot.diagnostic = (slot.diagnostic & 0xff000000) | text;
    }
    if (e.has_twins) twins.insert(from.twins.extract(queue_id{e.id}));
    if (e.is_rerouted) next_hops.insert(from.next_hops.extract(queue_id{e.id}));
    if ((t.used + 1) * 4 > t.cells.size() * 3) grow(t);
    place_cell(t, c);
    ++t.used;
    ++size_;
    memory_ += block_of(e.recipients, e.envelope_size) + block_overhead;
    --from.size_;
  }
  source.used = 0;
}

void index::for_each(std::size_t shard, const std::function<void(index_entry&)>& visit) {
  for (auto& c : tables_[shard].cells)
    if (c.entry != nullptr) visit(*c.entry);
}

}  // namespace relais::spool
