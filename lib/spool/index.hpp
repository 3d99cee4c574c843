// What the spool knows of its messages without touching the disk: where each one is, the states of
// its recipients, and its envelope as text. Compact: one block of memory per message, equal
// diagnostics shared. Not thread-safe: the store guards it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spool/packed_envelope.hpp"
#include "spool/record.hpp"

namespace relais::spool {

/// Texts that many recipients share ("connect to mx.example: Connection refused"), each kept once.
class text_pool {
 public:
  std::uint32_t add(std::string_view text);  ///< 0 is the empty text
  void release(std::uint32_t handle) noexcept;
  /// One use more of a text of another pool, which keeps its own. As fast as can be for the same
  /// text again.
  std::uint32_t take_over(text_pool& from, std::uint32_t handle);
  std::string_view text(std::uint32_t handle) const noexcept;
  std::uint64_t memory() const noexcept { return memory_; }

 private:
  struct slot {
    const std::string* text = nullptr;
    std::uint32_t uses = 0;
    std::uint32_t taken_over = 0;  ///< what it was called there
  };
  std::unordered_map<std::string, std::uint32_t> handles_;
  std::vector<slot> slots_{1};
  std::vector<std::uint32_t> free_;
  std::uint64_t memory_ = 0;
};

/// Twelve octets: milliseconds are enough for the time of an attempt, and more attempts than 65,535
/// or warnings than 63 are not told apart.
class recipient_slot {
 public:
  recipient_slot() = default;
  recipient_slot(const recipient_state& state, std::uint32_t text) noexcept;

  recipient_status status() const noexcept { return static_cast<recipient_status>(status_); }
  std::uint32_t text() const noexcept { return text_; }  ///< in the text_pool, 24 bits
  std::uint32_t attempts() const noexcept { return attempts_; }
  std::uint8_t warnings() const noexcept { return warnings_; }
  wall_time next_attempt() const noexcept;
  bool is_new() const noexcept {
    return status_ == 0 && text_ == 0 && attempts_ == 0 && warnings_ == 0 &&
           next_attempt() == wall_time{};
  }
  void set_text(std::uint32_t text) noexcept { text_ = text & 0xffffff; }

 private:
  std::uint16_t attempts_ = 0;
  std::uint8_t warnings_ : 6 = 0;
  std::uint8_t status_ : 2 = 0;
  std::uint8_t time_top_ = 0;  // milliseconds since 1970, from the upper 8 of 48 bits on
  std::uint32_t text_ : 24 = 0;
  std::uint32_t time_high_ : 8 = 0;
  std::uint32_t time_low_ = 0;
};
static_assert(sizeof(recipient_slot) == 12);

/// A copy of a message in the log.
struct place {
  std::uint32_t segment = 0;  ///< number
  std::uint32_t offset = 0;
  std::uint32_t text_size = 0;  ///< of the record, for finding the content
};

/// Followed in memory by its recipient_slots and the envelope's text, packed.
struct index_entry {
  std::uint64_t id = 0;
  /// Of the newest state that is folded in.
  std::uint64_t state_sequence = 0;
  /// The newest record with all states: what it speaks for, and the segment it is in (0: there is
  /// none, or it is the message's own record). Deltas behind it are in segments of their own.
  std::uint64_t full_sequence = 0;
  std::uint64_t content_size : 59 = 0;
  bool is_held : 1 = false;
  bool is_large : 1 = false;
  bool is_rerouted : 1 = false;  ///< see index::next_hops
  bool has_twins : 1 = false;    ///< further copies in the log, see index::twins
  bool is_leaving : 1 = false;   ///< its DONE record is being written
  std::uint32_t full_segment = 0;
  place at;
  std::uint32_t recipients = 0;
  std::uint32_t envelope_size = 0;  ///< packed

  void set_content_size(std::uint64_t octets) noexcept {
    content_size = octets & ((std::uint64_t{1} << 59) - 1);
  }
  std::uint64_t record_size() const noexcept {
    return (record_header_size + at.text_size + (is_large ? 0 : content_size) + 7) / 8 * 8;
  }
  recipient_slot* slots() noexcept { return reinterpret_cast<recipient_slot*>(this + 1); }
  const recipient_slot* slots() const noexcept {
    return reinterpret_cast<const recipient_slot*>(this + 1);
  }
  std::string_view packed_envelope() const noexcept {
    return {reinterpret_cast<const char*>(slots() + recipients), envelope_size};
  }
  std::string envelope() const { return unpack_envelope(packed_envelope()); }
  bool is_done() const noexcept;
};

class index {
 public:
  /// Work that goes through everything does it shard by shard, so that nobody waits long.
  static constexpr std::size_t shards = 256;

  index() = default;
  ~index();
  index(const index&) = delete;
  index& operator=(const index&) = delete;

  index_entry* find(queue_id id) noexcept;
  /// The id must be new.
  index_entry& insert(queue_id id, std::string_view envelope, std::uint32_t recipients);
  void erase(index_entry& entry);

  /// Folds states in; full sets replace everything.
  void apply(index_entry& entry, const state_set& states, std::uint64_t sequence);
  void set(index_entry& entry, std::uint32_t recipient, const recipient_state& state);
  void set_next_hop(index_entry& entry, const std::string& next_hop);
  std::string next_hop_of(const index_entry& entry) const;
  /// Everything that differs from a new message, as a full set.
  state_set full_states(const index_entry& entry) const;
  stored_message to_message(const index_entry& entry) const;
  const text_pool& texts() const noexcept { return texts_; }

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t memory() const noexcept { return memory_ + texts_.memory(); }
  /// Changes places with another one.
  void become(index& from) noexcept;
  /// Takes all entries of one shard over from another index, which is good for nothing else behind
  /// that; no id may be in both.
  void absorb(std::size_t shard, index& from);
  /// No change while it runs.
  void for_each(std::size_t shard, const std::function<void(index_entry&)>& visit);

  /// Segments with further copies of a message, which a DONE record has to outlive, too.
  std::unordered_map<queue_id, std::vector<std::uint32_t>> twins;
  /// Where an operator sends a message instead of its route.
  std::unordered_map<queue_id, std::string> next_hops;

 private:
  /// Open addressing; a size need not be a power of two, so that growth wastes little.
  struct table {
    std::vector<index_entry*> cells;  // null: empty
    std::size_t used = 0;
    std::size_t home(std::uint64_t id) const noexcept;
    std::size_t behind(std::size_t cell) const noexcept {
      return cell + 1 == cells.size() ? 0 : cell + 1;
    }
    void place(index_entry* entry) noexcept;
  };
  static std::uint64_t hash(std::uint64_t id) noexcept;
  table& shard_of(std::uint64_t id) noexcept { return tables_[hash(id) >> 56]; }
  void make_room(table& t);

  std::array<table, shards> tables_;
  text_pool texts_;
  std::uint64_t size_ = 0;
  std::uint64_t memory_ = 0;
};

}  // namespace relais::spool
