#include "spool/checkpoint.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "spool/crc32c.hpp"
#include "spool/octets.hpp"

namespace relais::spool {
namespace {

// A file is a row of blocks: length, checksum, octets. The first is the head, the last one says how
// many entries there were, those between hold entries.
constexpr std::string_view magic = "relais-checkpoint 1\n";
constexpr std::size_t block_head = 8;
constexpr std::size_t block_target = 1u << 20;
constexpr std::uint64_t longest_block = 256u << 20;
constexpr std::uint64_t most_kept = 2;
/// A checkpoint is worth that many times its own size of log.
constexpr std::uint64_t log_per_checkpoint = 16;
constexpr char entries_block = 'e', last_block = 'z';

void put_entry(std::string& to, const index& from, const index_entry& e) {
  put(to, e.id);
  put(to, std::uint64_t{e.content_size});
  put(to, e.state_sequence);
  put(to, e.full_sequence);
  put(to, e.full_segment);
  put(to, e.at.segment);
  put(to, e.at.offset);
  put(to, e.at.text_size);
  put(to, static_cast<std::uint8_t>((e.is_held ? 1 : 0) | (e.is_large ? 2 : 0) |
                                    (e.is_rerouted ? 4 : 0)));
  if (e.is_rerouted) put_text(to, from.next_hop_of(e));
  const auto twins = e.has_twins ? from.twins.find(queue_id{e.id}) : from.twins.end();
  put(to, static_cast<std::uint32_t>(twins == from.twins.end() ? 0 : twins->second.size()));
  if (twins != from.twins.end())
    for (const auto number : twins->second) put(to, number);
  put(to, e.recipients);
  for (std::uint32_t r = 0; r < e.recipients; ++r) {
    const auto& slot = e.slots()[r];
    put(to, static_cast<std::uint8_t>(slot.status()));
    put(to, slot.attempts() | std::uint32_t{slot.warnings()} << 24);
    put(to, slot.next_attempt().time_since_epoch().count());
    put_text(to, from.texts().text(slot.text()));
  }
  put_text(to, e.envelope());
}

bool take_entry(octet_reader& in, index& to) {
  index_entry e;
  e.id = in.number<std::uint64_t>();
  e.set_content_size(in.number<std::uint64_t>());
  e.state_sequence = in.number<std::uint64_t>();
  e.full_sequence = in.number<std::uint64_t>();
  e.full_segment = in.number<std::uint32_t>();
  e.at.segment = in.number<std::uint32_t>();
  e.at.offset = in.number<std::uint32_t>();
  e.at.text_size = in.number<std::uint32_t>();
  const auto flags = in.number<std::uint8_t>();
  const auto next_hop = (flags & 4) != 0 ? in.text() : std::string_view();
  std::vector<std::uint32_t> twins(std::min<std::size_t>(in.number<std::uint32_t>(), in.left()));
  for (auto& number : twins) number = in.number<std::uint32_t>();
  e.recipients = in.number<std::uint32_t>();
  if (!in.good() || e.recipients > in.left() / 17 || to.find(queue_id{e.id}) != nullptr)
    return false;
  std::vector<recipient_state> states(e.recipients);
  for (auto& s : states) {
    s.status = static_cast<recipient_status>(in.number<std::uint8_t>() & 3);
    const auto attempts = in.number<std::uint32_t>();
    s.attempts = attempts & 0xffffff;
    s.warnings = static_cast<std::uint8_t>(attempts >> 24);
    s.next_attempt = wall_time(std::chrono::microseconds(in.number<std::int64_t>()));
    s.diagnostic = in.text();
  }
  const auto envelope = in.text();
  if (!in.good()) return false;
  auto& entry = to.insert(queue_id{e.id}, envelope, e.recipients);
  entry.set_content_size(e.content_size);
  entry.state_sequence = e.state_sequence;
  entry.full_sequence = e.full_sequence;
  entry.full_segment = e.full_segment;
  entry.at = e.at;
  entry.is_held = (flags & 1) != 0;
  entry.is_large = (flags & 2) != 0;
  if (!next_hop.empty()) to.set_next_hop(entry, std::string(next_hop));
  for (std::uint32_t r = 0; r < e.recipients; ++r) to.set(entry, r, states[r]);
  if (twins.empty()) return true;
  entry.has_twins = true;
  to.twins[queue_id{e.id}] = std::move(twins);
  return true;
}

/// Writes block after block.
class block_writer {
 public:
  explicit block_writer(file& to) : file_(to) {}
  error_code write(std::string_view octets) {
    std::string head;
    put(head, static_cast<std::uint32_t>(octets.size()));
    put(head, crc32c(octets, crc32c(head)));
    const std::string_view parts[] = {head, octets};
    if (const auto error = file_.write_at(at_, parts)) return error;
    at_ += head.size() + octets.size();
    // Block by block: the committer's sync waits behind whatever the disk has in hand.
    return file_.sync();
  }
  std::uint64_t size() const noexcept { return at_; }

 private:
  file& file_;
  std::uint64_t at_ = 0;
};

class block_reader {
 public:
  block_reader(file& from, std::uint64_t size) : file_(from), size_(size) {}
  /// Empty at the end. Errors: corrupt, disk errors.
  result<std::string> next() {
    if (at_ == size_) return std::string();
    auto head = file_.read_at(at_, block_head);
    if (!head) return head.error();
    octet_reader in(*head);
    const auto length = in.number<std::uint32_t>();
    const auto sum = in.number<std::uint32_t>();
    if (!in.good() || length == 0 || length > longest_block || length > size_ - at_ - block_head) {
      return make_error_code(errc::corrupt);
    }
    auto octets = file_.read_at(at_ + block_head, length);
    if (!octets) return octets.error();
    if (octets->size() != length || crc32c(*octets, crc32c(head->substr(0, 4))) != sum) {
      return make_error_code(errc::corrupt);
    }
    at_ += block_head + length;
    return octets;
  }

 private:
  file& file_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};

std::string encode_head(log_state& state) {
  std::string head(magic);
  const std::lock_guard lock(state.mutex);
  put(head, state.sequence_in_flight != 0 ? state.sequence_in_flight : state.next_sequence.load());
  put(head, state.highest_id.value);
  std::uint32_t used = 0;
  for (const auto& [slot, s] : state.segments.all())
    if (s->use != segment_use::free) ++used;
  put(head, used);
  for (const auto& [slot, s] : state.segments.all()) {
    if (s->use == segment_use::free) continue;
    put(head, slot);
    put(head, s->number());
    put(head, s->header.generation);
    put(head, s->end);
  }
  state.log_since_checkpoint = 0;
  return head;
}

bool decode_head(std::string_view octets, checkpoint_head& head) {
  if (!octets.starts_with(magic)) return false;
  octet_reader in(octets.substr(magic.size()));
  head.sequence = in.number<std::uint64_t>();
  head.highest_id.value = in.number<std::uint64_t>();
  const auto count = in.number<std::uint32_t>();
  if (count > in.left() / 24) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& s = head.segments.emplace_back();
    s.slot = in.number<std::uint32_t>();
    s.number = in.number<std::uint32_t>();
    s.generation = in.number<std::uint64_t>();
    s.end = in.number<std::uint64_t>();
  }
  return in.at_end();
}

}  // namespace

void checkpointer::found(std::uint64_t serial) {
  serials_.push_back(serial);
  std::ranges::sort(serials_);
}

bool checkpointer::is_due() const {
  if (!state_.is_enumerated || !state_.may_checkpoint || state_.has_failed) return false;
  const std::lock_guard lock(state_.mutex);
  return state_.log_since_checkpoint >= state_.checkpoint_due;
}

error_code checkpointer::write() {
  auto& storage = state_.world.storage;
  const std::string draft(layout::checkpoint_draft);
  (void)storage.remove(draft);  // of a crash
  auto opened = storage.open(draft, open_mode::create_new);
  auto error = opened ? write_all(**opened) : opened.error();
  const auto serial = serials_.empty() ? 1 : serials_.back() + 1;
  if (!error) error = storage.rename(draft, layout::checkpoint_file(serial));
  if (!error) error = storage.sync_directory(".");
  if (error) {
    if (opened) (void)storage.remove(draft);
    // Again when the log has moved on as far once more, not at once.
    const std::lock_guard lock(state_.mutex);
    state_.log_since_checkpoint = 0;
    return error;
  }
  ++state_.checkpoints;
  serials_.push_back(serial);
  for (; serials_.size() > most_kept; serials_.erase(serials_.begin())) {
    (void)storage.remove(layout::checkpoint_file(serials_.front()));
  }
  return {};
}

error_code checkpointer::write_all(file& to) {
  block_writer out(to);
  if (const auto error = out.write(encode_head(state_))) return error;
  std::uint64_t count = 0;
  std::string block(1, entries_block);
  for (std::size_t shard = 0; shard < index::shards; ++shard) {
    {
      const std::lock_guard lock(state_.mutex);
      state_.index.for_each(shard, [&](index_entry& e) {
        put_entry(block, state_.index, e);
        ++count;
      });
    }
    if (block.size() < block_target && shard + 1 < index::shards) continue;
    if (const auto error = out.write(block)) return error;
    block.resize(1);
  }
  std::string last(1, last_block);
  put(last, count);
  if (const auto error = out.write(last)) return error;
  state_.octets_written += out.size();
  const std::lock_guard lock(state_.mutex);
  state_.checkpoint_due =
      std::max(state_.options.checkpoint_after, log_per_checkpoint * out.size());
  return {};
}

namespace {

/// An open checkpoint, behind its head.
struct opened_checkpoint {
  std::unique_ptr<file> handle;
  std::unique_ptr<block_reader> blocks;
  checkpoint_head head;
};

result<opened_checkpoint> open_checkpoint(disk& storage, const std::string& name) {
  auto opened = storage.open(name, open_mode::read);
  if (!opened) return opened.error();
  const auto size = (*opened)->size();
  if (!size) return size.error();
  opened_checkpoint c;
  c.handle = std::move(*opened);
  c.blocks = std::make_unique<block_reader>(*c.handle, *size);
  const auto first = c.blocks->next();
  if (!first) return first.error();
  if (!decode_head(*first, c.head)) return make_error_code(errc::corrupt);
  return c;
}

}  // namespace

result<checkpoint_head> read_checkpoint_head(disk& storage, const std::string& name) {
  auto opened = open_checkpoint(storage, name);
  if (!opened) return opened.error();
  return std::move(opened->head);
}

result<checkpoint_head> load_checkpoint(disk& storage, const std::string& name, index& to) {
  auto opened = open_checkpoint(storage, name);
  if (!opened) return opened.error();
  for (;;) {
    const auto block = opened->blocks->next();
    if (!block) return block.error();
    if (block->empty()) return make_error_code(errc::corrupt);  // its end is missing
    octet_reader in(std::string_view(*block).substr(1));
    if (block->front() == last_block) {
      const auto count = in.number<std::uint64_t>();
      if (!in.at_end() || count != to.size()) return make_error_code(errc::corrupt);
      return std::move(opened->head);
    }
    if (block->front() != entries_block) return make_error_code(errc::corrupt);
    while (!in.at_end())
      if (!take_entry(in, to)) return make_error_code(errc::corrupt);
  }
}

}  // namespace relais::spool
