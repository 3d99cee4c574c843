// Bounds the reports to one reverse-path: `report.limit` within `report.limit_window`. A bad list
// or a forged sender must not fill the mailbox of somebody who cannot help it.
//
// What is beyond the limit is put off into one of the next windows, not dropped: a report is the
// only thing that tells of a message's loss, and repeating the failed deliveries later instead
// would punish the hosts that had refused them. How far it is put off is bounded by the time that a
// report may live (retry.bounce_lifetime); what would be later is refused, and the caller says so
// in the log. A report of delay is of no use later: never put off.
//
// Shared by all workers (thread-safe); bounded: of many reverse-paths the one that was reported to
// longest ago is forgotten. Not kept over a restart; what was put off is in the spool, with its
// time. The time is handed in.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "config/settings.hpp"
#include "policy/lru_map.hpp"

namespace relais::delivery {

class report_book {
 public:
  explicit report_book(const config::settings& settings, std::size_t maximum_senders = 10'000);

  /// Takes one place: in how long the report may go, zero for now. None: no place, or none now and
  /// the report may not wait.
  std::optional<duration> take(std::string_view reverse_path, steady_time now, bool may_wait);
  /// The report that took the last place was not made.
  void give_back(std::string_view reverse_path);

 private:
  struct window {
    steady_time begin;  ///< of the one that is being filled; in the future behind a storm
    std::uint64_t used = 0;
  };

  const std::uint64_t limit_;  // 0: none
  const duration length_, horizon_;
  std::mutex mutex_;
  policy::lru_map<std::string, window> windows_;
};

}  // namespace relais::delivery
