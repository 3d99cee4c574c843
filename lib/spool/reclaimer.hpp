// Gives room back: frees segments in which nothing lives, copies what lives out of those that are
// mostly dead, keeps spares ready, removes the files of large contents that have left. One step at
// a time, on the maintenance runner only.
//
// What must hold, so that a scan of all segments always tells the truth: a DONE record outlives
// every copy of the message that it ends; the newest states of a message outlive the segment that
// they are in; a segment's header says free, durably, before anything in it is written over.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "spool/cold_log.hpp"
#include "spool/content.hpp"
#include "spool/log_state.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {

class reclaimer {
 public:
  explicit reclaimer(log_state& state) : state_(state), cold_(state) {}

  struct outcome {
    bool again = false;  ///< there is more to do, now
    duration later{0};   ///< or after that time; 0: when the log has moved on
  };
  /// One piece of work.
  outcome step();
  /// After a checkpoint: files that are far more than what is needed go.
  void trim_pool();

 private:
  struct victim {
    segment* s = nullptr;
    std::vector<std::pair<queue_id, std::uint32_t>> candidates;  ///< with their offsets
    std::size_t next = 0;
    std::vector<queue_id> moved;
  };
  struct copied {
    queue_id id;
    std::string text;
    std::string body;
    std::uint64_t as_of = 0;
    std::uint32_t from = 0, to = 0;  ///< offsets
  };

  bool remove_large();
  bool make_spare();
  segment* find_empty();
  error_code free_segment(segment& s);
  bool carries_much(segment& s);
  bool is_needed(const done_ref& ref, const segment& s);
  bool is_needed(const state_ref& ref, const segment& s);
  error_code walk(segment& s, const std::function<void(const record_view&)>& take);
  error_code learn_refs(segment& s);
  error_code carry_forward(segment& s);
  error_code carry_done(segment& s);
  error_code carry_states(segment& s);
  error_code write_done(const std::vector<done_ref>& refs);
  void stop(segment& s, const error_code& why);

  // reclaimer_compact.cpp
  std::optional<duration> pause_before_copy();
  segment* find_victim();
  bool copying_helps();
  error_code begin_victim(segment& s);
  error_code copy_some();
  std::vector<copied> collect();
  bool read(copied& c);
  void flip(std::vector<copied>& batch, std::vector<done_ref>& dead);
  error_code finish_victim();

  log_state& state_;
  cold_log cold_;
  victim victim_;
  /// Copying that brings nothing (what lives fills segments badly) ends until enough has died.
  struct {
    std::uint64_t died_octets = 0, batches = 0;
    std::size_t least_used = SIZE_MAX;
    unsigned in_vain = 0;
  } progress_;
  bool stopped_ = false;  ///< a write failed: nothing is freed any more by this run
  std::optional<steady_time> copied_at_;
  double credit_ = 0;                             ///< octets that may be copied
  std::optional<std::uint64_t> spare_failed_at_;  ///< batches then
};

}  // namespace relais::spool
