// A seeded history of one spool on one disk: what queue and sessions ask of it, in any order, while
// committer and maintenance work, or do not; the process ends and starts again within it. What are
// threads in the daemon is interleaved at the operations of the disk: while one of committer,
// maintenance and enumeration is at the disk, the others go on. A model remembers what was asked
// and answered.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "unit/spool/spool_model.hpp"

namespace relais::testing {

struct history_kind {
  spool::store_options options = tiny_spool();
  /// The process ends within the history: after a flush, without one, by a power cut.
  bool has_restarts = true;
  /// Reads may fail, too: that a message cannot be read is no broken promise then.
  bool reads_fail = false;
  std::size_t largest_content = 8 << 10;
};

class spool_history final : private spool::completion_sink {
 public:
  /// `observer` is called before each operation of the disk (sim_disk::observe).
  spool_history(sim_disk& disk, std::uint64_t seed, history_kind kind,
                std::function<void(disk_operation)> observer = {});
  ~spool_history() override { disk_.observe({}); }
  spool_history(const spool_history&) = delete;
  spool_history& operator=(const spool_history&) = delete;

  void play(int steps);
  /// Everything is flushed, and the process ends well. Success: all of it is durable.
  error_code finish();
  /// The process ends here and now.
  void end();

  const spool_model& model() const { return model_; }
  spool::store* store() { return opened_.store.get(); }
  /// Promises broken at restarts within the history, and by look_up() and read().
  const std::vector<std::string>& broken() const { return broken_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  int calls_of_sink() const { return calls_; }

 private:
  void complete(std::vector<spool::completion> batch) override;
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  void step();
  void work();
  void run_committer(bool all);
  void run_maintenance(bool all);
  void interfere();
  bool makes_segment(disk_operation what, std::string_view name);
  void append(std::size_t recipients, std::size_t size);
  void append_some();
  void append_report();
  void begin_large();
  void go_on_with_large();
  void settle();
  void remove_message();
  void hold_or_release();
  void ask_settle(spool::state_change change, std::vector<spool_model::effect> effects);
  error_code flush(bool and_wait);
  void look();
  void restart();
  void open_again();
  std::size_t some_size();
  /// Nothing: no message is pending.
  std::optional<queue_id> some_message();
  /// A new state of one pending recipient, or of all.
  std::pair<spool::state_change, std::vector<spool_model::effect>> some_change(queue_id id);

  struct large_upload {
    std::shared_ptr<spool::message> message;
    std::string content;
    std::size_t written = 0;
    std::unique_ptr<spool::large_writer> writer;
  };

  sim_disk& disk_;
  seeded_random random_;
  history_kind kind_;
  manual_runner committer_;
  manual_runner maintenance_;
  manual_clock time_;
  spool_model model_;
  std::vector<std::string> broken_;
  std::vector<std::string> warnings_;
  std::uint64_t last_id_ = 100;
  int calls_ = 0;
  bool committer_works_ = false;
  bool maintenance_works_ = false;
  bool is_enumerating_ = false;
  std::string made_;      ///< a segment file that is being made, by one thread at a time
  int interference_ = 0;  ///< that may still happen in this step, or one thing leads to another
  bool is_busy_ = false;  ///< no interference: the history itself is in the middle of something
  opened_spool opened_;
  std::vector<large_upload> uploads_;
};

}  // namespace relais::testing
