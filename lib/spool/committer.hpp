// Makes what callers hand in durable: takes everything that waits, writes it as one batch with one
// write and one sync, folds it into the index, answers (group commit). The only one that writes the
// hot segment. submit() from any thread; work() on the committer's runner.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "spool/segment_writer.hpp"

namespace relais::spool {

class committer {
 public:
  /// `wake_maintenance` is called when there may be something to reclaim, prepare or remember.
  committer(log_state& state, std::function<void()> wake_maintenance)
      : state_(state), wake_maintenance_(std::move(wake_maintenance)), writer_(state) {}

  struct queued_append {
    append_request request;
    completion_sink* sink = nullptr;
    std::string text;  ///< the envelope; empty: not storable
    std::uint32_t checksum = 0;
    std::uint64_t order = 0;
  };
  struct queued_change {
    state_change change;
    completion_sink* sink = nullptr;  ///< null: nobody waits
    std::uint64_t token = 0;
    std::uint64_t order = 0;    ///< of two states of one recipient, the later call wins
    std::size_t part = 0;       ///< of those that came with one append
    bool is_tied = false;       ///< came with an append: stored with it or not at all
    bool is_restoring = false;  ///< all states of the message are stored anew
  };
  using flush_handler = std::function<void(error_code)>;

  /// What to do for it to be taken: nothing (somebody will), run work() now, or ask begin_delayed()
  /// after pause() or after the delay of lazy states.
  enum class wake : std::uint8_t { none, now, soon, later };
  wake submit(queued_append append);
  wake submit(queued_change change);
  wake submit(flush_handler done);

  /// One batch or several: everything that waits at the moment of the call.
  void work();
  /// After work(): what is to be done about what has come meanwhile.
  wake next();
  /// When a delay is over: whether work() is due.
  bool begin_delayed(wake which);
  /// A slow disk is given the time to serve more than those who came first.
  duration pause() const noexcept { return duration(pause_.load()); }

 private:
  struct waiting {
    std::vector<queued_append> appends;
    std::vector<queued_change> changes;
    std::vector<flush_handler> flushes;
    std::size_t next_append = 0;  ///< those before it have been answered or written

    bool has_appends() const noexcept { return next_append < appends.size(); }
    bool empty() const noexcept { return appends.empty() && changes.empty() && flushes.empty(); }
    void clear() noexcept {
      appends.clear();
      changes.clear();
      flushes.clear();
      next_append = 0;
    }
  };
  /// New states of one message, merged from all changes that wait for it.
  struct group {
    queue_id id;
    std::vector<queued_change*> changes;  ///< in their order
    state_set states;
    std::string text;
    index_entry* entry = nullptr;
    bool is_tied = false;
    bool is_restoring = false;
    bool is_written = false;
    std::uint64_t sequence = 0;
  };
  /// A message of which nobody is pending any more.
  struct leaver {
    index_entry* entry = nullptr;
    queued_change* change = nullptr;
  };
  struct sort_key {
    queue_id id;
    std::uint64_t order = 0;
    std::size_t part = 0;
    queued_change* change = nullptr;
    friend auto operator<=>(const sort_key&, const sort_key&) = default;
  };
  struct placed_append {
    queued_append* append;
    std::uint64_t sequence = 0, offset = 0;
  };
  /// Completions, one call per sink.
  class answers {
   public:
    void add(completion_sink* sink, std::uint64_t token, error_code error);
    void deliver();

   private:
    std::vector<std::pair<completion_sink*, std::vector<completion>>> batches_;  // a few workers
    std::size_t likely_ = 0;  // completions per sink, as in the batch before
  };

  template <class Add>
  wake enqueue(bool is_urgent, Add add);
  std::size_t worth_a_pause(std::size_t queued) const noexcept;
  void take();
  void keep_for_later(waiting& w);

  // committer.cpp: what is taken, refused and answered
  void refuse_unfit(waiting& w);
  void refuse_repeated(const waiting& w);
  error_code refusal(const queued_append& a);
  void answer(queued_append& a, error_code error);
  void refuse_appends(waiting& w, error_code why);
  void give_up(waiting& w, error_code why);
  void put_later(queued_change change);
  void check_directory();

  // committer_batch.cpp: one batch
  error_code commit_some(waiting& w);
  error_code ensure_segment(waiting& w);
  error_code open_segment(bool from_reserve);
  bool fits(std::uint64_t octets) const noexcept;
  record_header next_record(record_type type, queue_id id, std::uint32_t checksum);
  void add_withdrawals();
  void add_appends(waiting& w);
  void make_groups(waiting& w);
  void add_to_group(queued_change& change);
  bool leave_at_once(queued_change& change);
  bool merge(group& g);
  void answer_not_found(queued_change& change);
  void add_states();
  void add_leavers();
  void finish();
  void apply();
  void refuse_group(group& g);
  void write_and_answer();
  void answer_batch();
  void fail(error_code why);

  log_state& state_;
  std::function<void()> wake_maintenance_;

  std::mutex mutex_;  // guards the next seven: the one hand-over from the workers
  waiting queue_;
  bool job_waits_ = false;
  bool timer_waits_ = false;
  bool pause_waits_ = false;
  std::size_t expected_ = 0;      // appends that are worth a pause; 0: none is made
  bool keeps_for_later_ = false;  // what is queued may wait
  std::uint64_t last_order_ = 0;

  std::atomic<duration::rep> pause_{0};

  // Of the committer's own thread.
  std::size_t batch_appends_ = 0;  // of the turn before
  duration turn_time_{0};          // likewise
  waiting taken_;
  std::vector<error_code> refused_;
  std::vector<std::pair<queue_id, std::size_t>> by_id_;
  segment_writer writer_;
  bool open_is_reserve_ = false;
  unsigned failures_in_a_row_ = 0;
  std::optional<steady_time> last_check_;
  /// Refused after a failed write, but perhaps readable in that segment.
  std::vector<std::pair<queue_id, std::uint32_t>> withdrawals_;

  // The batch under way.
  batch batch_;
  std::vector<placed_append> appends_;
  std::vector<queued_change> tied_;
  std::vector<sort_key> keys_;
  std::vector<group> groups_;
  std::vector<leaver> leavers_;
  std::vector<index_entry*> gone_;
  std::vector<queue_id> left_;  // to be told, see store_options
  std::string leaving_;         ///< the text of their DONE record
  std::size_t withdrawn_ = 0;   // of withdrawals_, in this batch
  answers answers_;
};

}  // namespace relais::spool
