// The store: puts its parts together (docs/architecture.md, "The spool") and gives their work to
// the runners. What is on disk: segment.hpp, record.hpp, checkpoint.hpp. What happens when:
// committer, reclaimer, checkpointer; what is found at a start: opening, enumeration.
#include <fmt/format.h>

#include "base/error.hpp"
#include "spool/checkpoint.hpp"
#include "spool/committer.hpp"
#include "spool/content.hpp"
#include "spool/crc32c.hpp"
#include "spool/enumeration.hpp"
#include "spool/opening.hpp"
#include "spool/reclaimer.hpp"
#include "spool/store.hpp"

namespace relais::spool {
namespace {

constexpr auto retry_states = std::chrono::seconds(5);

class log_store;

/// What a job holds instead of the store, which may be gone when the job runs. One for each runner,
/// so that neither waits for the other.
struct gate {
  std::mutex mutex;
  log_store* store = nullptr;
};

class log_store final : public store {
 public:
  log_store(const store_world& world, const store_options& options)
      : state_(world, options),
        committer_(state_, [this] { wake_maintenance(); }),
        reclaimer_(state_),
        checkpointer_(state_),
        large_(state_) {
    commit_gate_->store = maintenance_gate_->store = this;
  }

  log_store(const log_store&) = delete;
  log_store& operator=(const log_store&) = delete;

  ~log_store() override {
    for (const auto& g : {commit_gate_, maintenance_gate_}) {
      const std::lock_guard lock(g->mutex);  // waits for a running job
      g->store = nullptr;
    }
  }

  error_code open(std::string& why) {
    auto found = look_at_spool(state_, why);
    if (!found) return found.error();
    opening_ = std::move(*found);
    for (const auto serial : opening_.checkpoints) checkpointer_.found(serial);
    // Numbers grow with every use, so no start repeats the salts of another, whatever the seed.
    state_.salts = seeded_random(state_.options.seed ^ (state_.last_number * 0x9e3779b97f4a7c15u));
    state_.look_at_space();
    return prove_writable();
  }

  queue_id highest_id() const noexcept { return state_.highest_id; }

  result<recovery_report> enumerate(const std::function<void(stored_message)>& found) override {
    std::vector<queue_id> finished;
    auto report = enumerator(state_, opening_, finished).run(found);
    opening_ = {};
    for (const auto id : finished) {
      state_change nothing_pending;
      nothing_pending.id = id;
      settle(std::move(nothing_pending));
    }
    wake_maintenance();
    return report;
  }

  void append(append_request request, completion_sink& sink) override {
    committer::queued_append a;
    a.text = encode_envelope(*request.content);
    a.checksum = crc32c(request.content->content, crc32c(a.text));
    a.request = std::move(request);
    a.sink = &sink;
    wake(committer_.submit(std::move(a)));
  }

  void settle(state_change change) override {
    committer::queued_change c;
    c.change = std::move(change);
    wake(committer_.submit(std::move(c)));
  }

  void settle(state_change change, std::uint64_t token, completion_sink& sink) override {
    committer::queued_change c;
    c.change = std::move(change);
    c.sink = &sink;
    c.token = token;
    wake(committer_.submit(std::move(c)));
  }

  void flush(std::function<void(error_code)> done) override {
    wake(committer_.submit(std::move(done)));
  }

  std::optional<stored_message> look_up(queue_id id) override {
    const std::lock_guard lock(state_.mutex);
    const auto* entry = state_.index.find(id);
    // Nobody is pending any more: it is about to leave.
    if (entry == nullptr || entry->is_done()) return {};
    return state_.index.to_message(*entry);
  }

  std::vector<stored_message> messages(std::size_t part) override {
    std::vector<stored_message> found;
    const std::lock_guard lock(state_.mutex);
    state_.index.for_each(part, [&](index_entry& entry) {
      if (!entry.is_done()) found.push_back(state_.index.to_message(entry));
    });
    return found;
  }

  std::optional<queue_id> oldest() override {
    std::optional<queue_id> found;
    for (std::size_t part = 0; part < parts; ++part) {
      const std::lock_guard lock(state_.mutex);
      state_.index.for_each(part, [&](index_entry& entry) {
        if (!found || entry.id < found->value) found = queue_id{entry.id};
      });
    }
    return found;
  }

  result<std::shared_ptr<const message>> read(queue_id id) override {
    return read_message(state_, id);
  }
  result<std::unique_ptr<content_reader>> open_content(queue_id id) override {
    return spool::open_content(state_, id);
  }
  result<std::unique_ptr<large_writer>> create_large(queue_id id) override {
    return large_.create(id);
  }

  health has_room(std::uint64_t octets) const noexcept override {
    const auto answer = state_.has_room(octets);
    // The figures may be old; without appends no batch would renew them.
    if (answer == health::full || answer == health::critical) look_again();
    return answer;
  }

  store_status status() const override {
    store_status s;
    s.state = state_.has_room(0);
    s.octets_written = state_.octets_written;
    s.octets_compacted = state_.octets_compacted;
    s.batches = state_.batches;
    s.checkpoints = state_.checkpoints;
    s.write_errors = state_.write_errors;
    const std::lock_guard lock(state_.mutex);
    s.messages = state_.index.size();
    s.live_octets = state_.live_octets;
    s.segments_used = state_.segments.used_count();
    s.segments_free = state_.segments.free_count();
    s.memory = state_.index.memory();
    return s;
  }

  void close() override {
    const std::lock_guard lock(maintenance_gate_->mutex);
    if (!state_.is_enumerated || !state_.may_checkpoint || state_.has_failed) return;
    if (const auto error = checkpointer_.write()) warn_of_checkpoint(error);
  }

 private:
  /// A disk that takes no mail shows it now, rather than at the first message.
  error_code prove_writable() {
    segment* free = nullptr;
    {
      const std::lock_guard lock(state_.mutex);
      free = state_.segments.take();
    }
    if (free == nullptr) return make_first();
    auto opened = state_.segments.open(*free);
    auto error = opened ? error_code() : opened.error();
    const auto block = encode_segment_header(free->header);
    const std::string_view pieces[] = {block};
    if (!error) error = (*opened)->write_at(0, pieces);
    if (!error) error = (*opened)->sync();
    state_.segments.give_back(*free);
    state_.count_room();
    return error;
  }

  error_code make_first() {
    std::uint32_t slot = 0;
    bool in_use = false;
    {
      const std::lock_guard lock(state_.mutex);
      slot = state_.segments.new_slot();
      in_use = state_.segments.used_count() > 0;
    }
    auto made = state_.make_segment(slot);
    // With mail in the spool a full disk is no reason not to start: delivering it frees the disk.
    if (!made) return made.error() == errc::no_space && in_use ? error_code() : made.error();
    auto& s = state_.segments.adopt(slot);
    state_.segments.keep(s, std::move(*made));
    state_.segments.give_back(s);
    state_.count_room();
    state_.look_at_space();
    return {};
  }

  void wake(committer::wake how) {
    switch (how) {
      case committer::wake::none: return;
      case committer::wake::now: return run_committer();
      case committer::wake::soon: return run_committer_after(committer_.pause(), how);
      case committer::wake::later: return run_committer_after(state_.options.lazy_delay, how);
    }
  }

  void run_committer() {
    state_.world.committer.run([g = commit_gate_] {
      const std::lock_guard lock(g->mutex);
      if (g->store != nullptr) g->store->commit();
    });
  }

  void run_committer_after(duration delay, committer::wake which) {
    state_.world.committer.run_after(delay, [g = commit_gate_, which] {
      const std::lock_guard lock(g->mutex);
      if (g->store != nullptr && g->store->committer_.begin_delayed(which)) g->store->commit();
    });
  }

  void commit() {
    committer_.work();
    const auto next = committer_.next();
    // A full disk is not asked in a hurry.
    if (next == committer::wake::later && state_.has_room(0) != health::good) {
      return run_committer_after(retry_states, next);
    }
    wake(next);
  }

  void wake_maintenance() {
    if (maintenance_waits_.exchange(true)) return;
    run_maintenance();
  }

  void run_maintenance() {
    state_.world.maintenance.run([g = maintenance_gate_] {
      const std::lock_guard lock(g->mutex);
      if (g->store != nullptr) g->store->maintain();
    });
  }

  /// One step, so that other jobs of the runner get their turn.
  void maintain() {
    maintenance_waits_ = false;
    if (checkpointer_.is_due()) {
      if (const auto error = checkpointer_.write()) warn_of_checkpoint(error);
      reclaimer_.trim_pool();
      return wake_maintenance();
    }
    const auto next = reclaimer_.step();
    if (next.again) return wake_maintenance();
    if (next.later == duration{0} || delayed_.exchange(true)) return;
    state_.world.maintenance.run_after(next.later, [g = maintenance_gate_] {
      const std::lock_guard lock(g->mutex);
      if (g->store == nullptr) return;
      g->store->delayed_ = false;
      g->store->maintain();
    });
  }

  void look_again() const {
    if (looking_.exchange(true)) return;
    try {
      state_.world.maintenance.run([g = maintenance_gate_] {
        const std::lock_guard lock(g->mutex);
        if (g->store == nullptr) return;
        g->store->looking_ = false;
        g->store->state_.look_at_space();
      });
    } catch (...) {  // no memory for a job: the answer is the same
      looking_ = false;
    }
  }

  void warn_of_checkpoint(const error_code& error) {
    {
      const std::lock_guard lock(state_.mutex);
      state_.log_since_checkpoint = 0;  // the next try is as far away as the next checkpoint
    }
    state_.warn("no checkpoint could be written, the next start takes longer: " + error.message());
  }

  mutable log_state state_;
  committer committer_;
  reclaimer reclaimer_;
  checkpointer checkpointer_;
  large_files large_;
  opening opening_;
  std::shared_ptr<gate> commit_gate_ = std::make_shared<gate>();
  std::shared_ptr<gate> maintenance_gate_ = std::make_shared<gate>();
  std::atomic<bool> maintenance_waits_{false};
  std::atomic<bool> delayed_{false};
  mutable std::atomic<bool> looking_{false};
};

}  // namespace

result<opened_store> open_store(const store_world& world, const store_options& options,
                                std::string& why) {
  auto made = std::make_unique<log_store>(world, options);
  if (const auto error = made->open(why)) return error;
  opened_store opened;
  opened.highest_id = made->highest_id();
  opened.store = std::move(made);
  return opened;
}

}  // namespace relais::spool
