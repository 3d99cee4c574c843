#include "spool/state_journal.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "spool/layout.hpp"

namespace relais::spool {
namespace {

/// A message that is retried for days is not worth more than this of history.
constexpr std::uint64_t longest_file = 64u << 10;

struct open_write {
  journal_write* request = nullptr;
  std::unique_ptr<file> handle;
  std::uint64_t new_length = 0;
  bool is_new = false;
};

std::string record_of(const journal_write& write, bool all) {
  const auto& entry = *write.entry;
  std::vector<state_change::entry> entries;
  const auto add = [&](std::uint32_t i) {
    auto& e = entries.emplace_back();
    e.recipient = i;
    e.state = entry.recipients[i];
  };
  if (all) {
    for (std::uint32_t i = 0; i < entry.recipients.size(); ++i) add(i);
  } else {
    for (const auto i : write.changed) add(i);
  }
  return encode_states(write.id, entry.next_sequence, entries);
}

error_code continue_file(disk& storage, open_write& w) {
  auto opened = storage.open(layout::state_file(w.request->id), open_mode::read_write);
  if (!opened) return opened.error();
  w.handle = std::move(*opened);
  const auto& entry = *w.request->entry;
  const auto record = record_of(*w.request, false);
  w.new_length = entry.length + record.size();
  const std::array<std::string_view, 1> parts{record};
  return w.handle->write_at(entry.length, parts);
}

error_code begin_file(disk& storage, open_write& w) {
  w.is_new = true;
  const auto name = layout::new_states(w.request->id);
  auto opened = storage.open(name, open_mode::create_new);
  if (!opened && opened.error() == errc::exists) {
    // Left by an attempt that failed: nothing refers to it.
    if (const auto error = storage.remove(name)) return error;
    opened = storage.open(name, open_mode::create_new);
  }
  if (!opened) return opened.error();
  w.handle = std::move(*opened);
  const auto record = record_of(*w.request, true);
  w.new_length = states_magic().size() + record.size();
  const std::array<std::string_view, 2> parts{states_magic(), record};
  return w.handle->write_at(0, parts);
}

void note_failure(disk& storage, open_write& w, error_code error) {
  w.request->error = error;
  // Whatever is in the file now is not continued; the next record goes to a new one.
  w.request->entry->replace = true;
  w.handle.reset();
  if (w.is_new) (void)storage.remove(layout::new_states(w.request->id));
}

}  // namespace

bool journal_entry::is_finished() const noexcept {
  return std::ranges::none_of(recipients,
                              [](const auto& r) { return r.status == recipient_status::pending; });
}

bool write_states(disk& storage, std::vector<journal_write>& batch) {
  std::vector<open_write> writes;
  writes.reserve(batch.size());
  for (auto& request : batch) {
    auto& w = writes.emplace_back();
    w.request = &request;
    const auto& entry = *request.entry;
    const bool begin = entry.replace || entry.length == 0 || entry.length > longest_file;
    if (const auto error = begin ? begin_file(storage, w) : continue_file(storage, w)) {
      note_failure(storage, w, error);
    }
  }
  bool renamed = false;
  for (auto& w : writes) {
    if (w.request->error) continue;
    auto error = w.handle->sync();
    if (!error && w.is_new) {
      const auto id = w.request->id;
      error = storage.rename(layout::new_states(id), layout::state_file(id));
      renamed = renamed || !error;
    }
    if (error) {
      note_failure(storage, w, error);
      continue;
    }
    w.request->entry->length = w.new_length;
    ++w.request->entry->next_sequence;
    w.request->entry->replace = false;
  }
  if (!renamed) return true;
  const auto error = storage.sync_directory(layout::states);
  if (!error) return true;
  // Which of two files will be found after a crash is not known: what was new is not durable.
  for (auto& w : writes) {
    if (!w.is_new || w.request->error) continue;
    w.request->error = error;
    w.request->entry->replace = true;
  }
  return false;
}

}  // namespace relais::spool
