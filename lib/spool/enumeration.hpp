// Finds every message again after a stop or a crash: from a checkpoint and the log's tail, or from
// all segments when there is any doubt. Builds an index of its own and hands it over when it is
// complete, so that mail is accepted meanwhile. Blocking, once.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "spool/checkpoint.hpp"
#include "spool/log_state.hpp"
#include "spool/opening.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {

class enumerator {
 public:
  /// `finished` gets the messages of which nobody is pending, though no DONE record says so.
  enumerator(log_state& state, const opening& found, std::vector<queue_id>& finished)
      : state_(state), opening_(found), finished_(finished) {}
  result<recovery_report> run(const std::function<void(stored_message)>& found);

 private:
  /// Newest states of one message while it is put together.
  struct folded {
    std::uint64_t full_sequence = 0;
    std::uint32_t full_segment = 0;
    std::optional<state_set> full;
    std::map<std::uint64_t, state_set> deltas;  ///< by sequence, those behind `full`
  };
  /// What the records of one segment say, for when it is freed.
  struct reading {
    segment* s = nullptr;
    std::uint64_t covered = 0;  ///< a checkpoint speaks for what lies before
    std::vector<done_ref> done;
    std::vector<state_ref> states;
    std::uint64_t known_end = 0;  ///< as the segment after it says
    std::uint64_t end = 0;
  };

  bool try_checkpoint(std::uint64_t serial);
  void drop_unfounded(const checkpoint_head& head);
  error_code sync_all();
  error_code read_all();
  error_code read_one(reading& r);
  void take(reading& r, const record_view& record);
  void take_message(reading& r, const record_view& record);
  void take_states(reading& r, const record_view& record);
  void fold(folded& to, std::uint64_t sequence, std::uint32_t segment, state_set states);
  void settle();
  void settle_states(index_entry& entry, folded& f);
  void bury();
  void check_large();
  void hand_over(const std::function<void(stored_message)>& found);
  void complain(const segment& s, const std::string& what);

  log_state& state_;
  const opening& opening_;
  std::vector<queue_id>& finished_;
  recovery_report report_;
  index index_;
  std::uint64_t from_sequence_ = 0;  ///< records before it are in the checkpoint
  std::unordered_map<std::uint32_t, reading> readings_;  ///< by number
  std::unordered_map<queue_id, folded> folded_;
  /// Messages that have left, and the segments with their DONE records.
  std::unordered_map<queue_id, std::vector<std::uint32_t>> done_;
};

}  // namespace relais::spool
