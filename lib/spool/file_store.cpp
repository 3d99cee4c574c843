// The store with one file per message (layout.hpp): the plain form behind the final interface, to
// be replaced by the segment log. This file holds the queue of requests, the order of a batch, the
// accounts of free space and the completions; how files are written is in message_writer and
// state_journal.
//
// One batch: (1) messages, one directory sync, completions; (2) states, syncs, then messages
// without a pending recipient are removed, completions. States that come together with an append
// are in (2): after a crash in between, the report exists and its recipients are still pending, so
// at worst the report is sent twice; never is a recipient settled whose report is lost.
#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "spool/crc32c.hpp"
#include "spool/layout.hpp"
#include "spool/message_writer.hpp"
#include "spool/record.hpp"
#include "spool/recovery.hpp"
#include "spool/state_journal.hpp"
#include "spool/store.hpp"

namespace relais::spool {
namespace {

/// Each message of a batch is an open file until it is synced.
constexpr std::size_t most_files_open = 128;
/// Header, envelope and the rounding to blocks, roughly.
constexpr std::uint64_t overhead_per_message = 4096;

struct queued_append {
  std::uint64_t order = 0;
  append_request request;
  completion_sink* sink = nullptr;
};

struct queued_change {
  std::uint64_t order = 0;  ///< of two states of one recipient, the later call wins
  state_change change;
  std::uint64_t token = 0;
  completion_sink* sink = nullptr;  ///< null: nobody waits
  std::size_t part = 0;             ///< among the changes that came with one append
};

struct request_queue {
  std::vector<queued_append> appends;
  std::vector<queued_change> changes;
  std::vector<std::function<void(error_code)>> flushes;
  bool look_at_space = false;
  std::uint64_t last_order = 0;

  bool empty() const noexcept {
    return appends.empty() && changes.empty() && flushes.empty() && !look_at_space;
  }
};

/// Completions of one batch, one call per sink.
class completions {
 public:
  void add(completion_sink* sink, std::uint64_t token, error_code error) {
    if (sink == nullptr) return;
    auto at = std::ranges::find(batches_, sink,
                                &std::pair<completion_sink*, std::vector<completion>>::first);
    if (at == batches_.end()) at = batches_.insert(at, {sink, {}});
    at->second.push_back({token, error});
  }
  void deliver() {
    for (auto& [sink, batch] : batches_) sink->complete(std::move(batch));
  }

 private:
  std::vector<std::pair<completion_sink*, std::vector<completion>>> batches_;  // a few workers
};

class file_store;

/// What a job holds instead of the store, which may be gone when the job runs.
struct gate {
  std::mutex mutex;
  file_store* store = nullptr;
};

class file_store final : public store {
 public:
  file_store(disk& storage, runner& jobs, const store_options& options, recovered_spool recovered,
             const free_space& space)
      : disk_(storage),
        runner_(jobs),
        options_(options),
        entries_(std::move(recovered.entries)),
        reserved_(std::move(recovered.reserved)),
        free_bytes_(space.bytes),
        free_inodes_(space.inodes) {
    gate_->store = this;
  }

  file_store(const file_store&) = delete;
  file_store& operator=(const file_store&) = delete;

  ~file_store() override {
    const std::lock_guard lock(gate_->mutex);  // waits for a running job
    gate_->store = nullptr;
  }

  void append(append_request request, completion_sink& sink) override {
    queued_octets_ += octets_of(request);
    submit([&](request_queue& q) {
      q.appends.push_back({++q.last_order, std::move(request), &sink});
    });
  }

  void settle(state_change change) override {
    submit([&](request_queue& q) {
      q.changes.push_back({++q.last_order, std::move(change), 0, nullptr, 0});
    });
  }

  void settle(state_change change, std::uint64_t token, completion_sink& sink) override {
    submit([&](request_queue& q) {
      q.changes.push_back({++q.last_order, std::move(change), token, &sink, 0});
    });
  }

  void flush(std::function<void(error_code)> done) override {
    submit([&](request_queue& q) { q.flushes.push_back(std::move(done)); });
  }

  result<std::shared_ptr<const message>> read(queue_id id) override {
    auto opened = disk_.open(layout::message_file(id), open_mode::read);
    if (!opened) return opened.error();
    auto head = read_message_head(**opened, id);
    if (!head) return head.error();
    if (head->judgement == verdict::withdrawn) return make_error_code(errc::not_found);
    if (head->judgement != verdict::good) return make_error_code(errc::corrupt);
    auto content = (*opened)->read_at(head->prefix.content_offset(),
                                      static_cast<std::size_t>(head->prefix.content_size));
    if (!content) return content.error();
    if (content->size() != head->prefix.content_size ||
        crc32c(*content) != head->prefix.content_checksum) {
      return make_error_code(errc::corrupt);
    }
    auto m = std::make_shared<message>();
    m->id = id;
    m->arrival = head->prefix.arrival;
    m->envelope = std::move(head->envelope);
    m->content = std::move(*content);
    return std::shared_ptr<const message>(std::move(m));
  }

  health has_room(std::uint64_t octets) const noexcept override {
    if (failed_) return health::failed;
    const auto wanted = saturating_sum(octets, queued_octets_);
    if (free_bytes_ >= saturating_sum(options_.minimum_free_bytes, wanted) &&
        free_inodes_ > options_.minimum_free_inodes) {
      return health::good;
    }
    // The figures may be old; without appends no batch would renew them. At most one job waits.
    try {
      submit([](request_queue& q) { q.look_at_space = true; });
    } catch (...) {  // no memory for a job: the answer is the same
    }
    return health::full;
  }

 private:
  static std::uint64_t octets_of(const append_request& request) noexcept {
    return request.content->content.size() + overhead_per_message;
  }
  static std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) noexcept {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
  }

  template <class Add>
  void submit(Add add) const {
    {
      const std::lock_guard lock(mutex_);
      add(queue_);
      if (std::exchange(job_waits_, true)) return;
    }
    submit_job();
  }

  void submit_job() const {
    runner_.run([gate = gate_] {
      const std::lock_guard lock(gate->mutex);
      if (gate->store != nullptr) gate->store->work();
    });
  }

  /// One batch: everything that waits, within the limit of open files.
  void work() {
    auto batch = take();
    look_at_space();
    if (!batch.appends.empty()) commit_messages(batch);
    const auto error = commit_changes(batch);
    // A flush covers what was queued before it; take() leaves it behind while appends are left.
    for (auto& done : batch.flushes) done(failed_ ? make_error_code(errc::io_error) : error);
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        job_waits_ = false;
        return;
      }
    }
    submit_job();
  }

  request_queue take() {
    const std::lock_guard lock(mutex_);
    request_queue batch;
    batch.last_order = queue_.last_order;
    if (queue_.appends.size() <= most_files_open) {
      std::swap(batch, queue_);
      return batch;
    }
    const auto end = queue_.appends.begin() + most_files_open;
    // Changes do not overtake the appends that are left behind, which may carry changes themselves.
    const auto last =
        std::ranges::find_if(queue_.changes, [&](const auto& c) { return c.order > end->order; });
    move_front(queue_.changes, last, batch.changes);
    move_front(queue_.appends, end, batch.appends);
    return batch;
  }

  template <class Item>
  static void move_front(std::vector<Item>& from, typename std::vector<Item>::iterator end,
                         std::vector<Item>& to) {
    to.assign(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
    from.erase(from.begin(), end);
  }

  void look_at_space() {
    // A failure leaves the old figures: the writes will show what is wrong.
    if (const auto space = disk_.space()) {
      free_bytes_ = space->bytes;
      free_inodes_ = space->inodes;
    }
  }

  error_code refusal(const message& m, std::unordered_set<queue_id>& ids) {
    if (failed_) return errc::io_error;
    if (!is_storable(m.envelope)) return errc::syntax;
    if (entries_.contains(m.id) || reserved_.contains(m.id) || !ids.insert(m.id).second) {
      return errc::exists;
    }
    const auto size = m.content.size() + overhead_per_message;
    if (free_bytes_ < saturating_sum(options_.minimum_free_bytes, size) ||
        free_inodes_ <= options_.minimum_free_inodes) {
      return errc::no_space;
    }
    free_bytes_ -= size;
    --free_inodes_;
    return {};
  }

  /// Appends; the state changes that come with durable ones are added to the batch's changes.
  void commit_messages(request_queue& batch) {
    std::vector<message_write> writes(batch.appends.size());
    std::unordered_set<queue_id> ids;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      writes[i].content = batch.appends[i].request.content.get();
      writes[i].error = refusal(*writes[i].content, ids);
    }
    if (!write_messages(disk_, writes)) failed_ = true;

    completions ready;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      auto& [order, request, sink] = batch.appends[i];
      queued_octets_ -= octets_of(request);
      if (!writes[i].error) {
        auto& entry = entries_[request.content->id];
        entry.recipients.resize(request.content->envelope.forward_paths.size());
      }
      if (writes[i].error || request.together_with.empty()) {
        ready.add(sink, request.token, writes[i].error);
        continue;
      }
      // Whatever becomes of the states, the message is durable; its completion waits for them.
      for (std::size_t part = 0; part < request.together_with.size(); ++part) {
        batch.changes.push_back({order, std::move(request.together_with[part]), 0, nullptr, part});
      }
      after_states_.add(sink, request.token, {});
    }
    std::ranges::sort(batch.changes, {},
                      [](const queued_change& c) { return std::pair(c.order, c.part); });
    ready.deliver();
  }

  /// Folds the changes into what is known, then stores it. The first error is for flush().
  error_code commit_changes(request_queue& batch) {
    // Ordered by id, so that a simulated run is the same on every machine.
    std::map<queue_id, journal_write> touched;
    for (const auto id : std::exchange(unsaved_, {})) touch(touched, id);
    std::vector<error_code> outcome(batch.changes.size());
    for (std::size_t i = 0; i < batch.changes.size(); ++i) {
      outcome[i] = fold(batch.changes[i].change, touched);
    }
    store_states(touched);

    error_code first;
    for (const auto& [id, write] : touched) {
      if (write.error && !first) first = write.error;
    }
    for (std::size_t i = 0; i < batch.changes.size(); ++i) {
      const auto& queued = batch.changes[i];
      if (!outcome[i]) outcome[i] = touched.at(queued.change.id).error;
      // A directory that failed once is not believed when it later claims success.
      if (!outcome[i] && failed_) outcome[i] = errc::io_error;
      after_states_.add(queued.sink, queued.token, outcome[i]);
    }
    std::exchange(after_states_, {}).deliver();
    return first;
  }

  journal_write* touch(std::map<queue_id, journal_write>& touched, queue_id id) {
    const auto known = entries_.find(id);
    if (known == entries_.end()) return nullptr;
    auto& write = touched[id];
    write.id = id;
    write.entry = &known->second;
    return &write;
  }

  error_code fold(state_change& change, std::map<queue_id, journal_write>& touched) {
    auto* write = touch(touched, change.id);
    if (write == nullptr) return errc::not_found;  // finished before
    for (auto& [recipient, state] : change.entries) {
      if (recipient >= write->entry->recipients.size()) return errc::not_found;
      write->entry->recipients[recipient] = std::move(state);
      if (std::ranges::find(write->changed, recipient) == write->changed.end()) {
        write->changed.push_back(recipient);
      }
    }
    return {};
  }

  void store_states(std::map<queue_id, journal_write>& touched) {
    std::vector<journal_write*> finished;
    std::vector<journal_write*> pending;
    for (auto& [id, write] : touched)
      (write.entry->is_finished() ? finished : pending).push_back(&write);
    write_journals(pending);
    // With a directory that cannot be trusted to forget the message, its states must say it.
    if (failed_) write_journals(finished);
    remove_finished(finished);
  }

  void write_journals(const std::vector<journal_write*>& writes) {
    for (std::size_t at = 0; at < writes.size(); at += most_files_open) {
      const auto count = std::min(most_files_open, writes.size() - at);
      std::vector<journal_write> chunk;
      for (std::size_t i = 0; i < count; ++i) {
        auto& write = *writes[at + i];
        if (write.changed.empty() && !write.entry->replace) continue;  // saved meanwhile
        chunk.push_back(write);
      }
      if (!write_states(disk_, chunk)) failed_ = true;
      for (const auto& done : chunk) {
        if (!done.error) continue;
        unsaved_.insert(done.id);
        (*std::ranges::find(writes, done.id, &journal_write::id))->error = done.error;
      }
    }
  }

  /// No recipient is pending: the missing file is the record of that. First the message goes, and
  /// its directory is synced; only then the state file. The other way round, a crash could leave
  /// the message without its states, and it would be delivered to everyone again. A state file
  /// without a message is removed by recovery.
  void remove_finished(std::vector<journal_write*>& finished) {
    std::vector<journal_write*> removed;
    std::vector<journal_write*> stuck;
    for (auto* write : finished) {
      const auto error = disk_.remove(layout::message_file(write->id));
      (error && error != errc::not_found ? stuck : removed).push_back(write);
    }
    if (!removed.empty()) {
      if (const auto error = disk_.sync_directory(layout::messages)) {
        const bool known_before = failed_.exchange(true);
        // The message may come back after a crash; its states, in another directory, may still
        // keep it from being delivered again.
        if (!known_before) write_journals(removed);
        for (auto* write : removed) write->error = error;
      }
    }
    for (auto* write : removed) {
      if (!failed_ && write->entry->length != 0) (void)disk_.remove(layout::state_file(write->id));
      unsaved_.erase(write->id);
      entries_.erase(write->id);
      write->entry = nullptr;
    }
    // Cannot be removed: then it is recorded that there is nothing left to do for it, and the
    // removal is tried again with the next batch.
    write_journals(stuck);
    for (auto* write : stuck) unsaved_.insert(write->id);
  }

  disk& disk_;
  runner& runner_;
  const store_options options_;
  const std::shared_ptr<gate> gate_ = std::make_shared<gate>();

  mutable std::mutex mutex_;  // of the next two
  mutable request_queue queue_;
  mutable bool job_waits_ = false;

  // Only jobs use these.
  std::unordered_map<queue_id, journal_entry> entries_;
  std::unordered_set<queue_id> reserved_;
  std::unordered_set<queue_id> unsaved_;  ///< a write failed: tried again with the next batch
  completions after_states_;

  std::atomic<std::uint64_t> free_bytes_;
  std::atomic<std::uint64_t> free_inodes_;
  std::atomic<std::uint64_t> queued_octets_{0};
  std::atomic<bool> failed_{false};
};

}  // namespace

result<std::unique_ptr<store>> open_store(disk& storage, runner& jobs, const store_options& options,
                                          const std::function<void(recovered_message)>& found,
                                          recovery_report& report) {
  auto recovered = recover(storage, report);
  if (!recovered) return recovered.error();
  const auto space = storage.space();
  if (!space) return space.error();
  auto messages = std::exchange(recovered->messages, {});
  auto opened = std::make_unique<file_store>(storage, jobs, options, std::move(*recovered), *space);
  for (auto& m : messages) found(std::move(m));
  return std::unique_ptr<store>(std::move(opened));
}

}  // namespace relais::spool
