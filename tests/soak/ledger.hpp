// The books of a soak: what the relay was given, what next hops took of it, what senders were told,
// what the relay says that it did; and whether all of that agrees. Every forward-path is used once,
// so it is the name of its account: "m<number>@...".
//
// Not here: when anything happens (population, load), bounds of time and number (bounds).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "support/sim_network.hpp"

namespace relais::soak {

/// A connection as the next hop knows it.
struct visit {
  std::shared_ptr<const testing::line_use> line;  ///< what the relay read of what was said
  std::uint64_t said = 0;                         ///< octets that left
  bool broke_protocol = false;                    ///< the next hop did
  bool was_late = false;                          ///< the relay may have given up waiting
};

/// Content that a next hop took responsibility for.
struct copy {
  steady_time when{};
  std::shared_ptr<const visit> by;
  std::uint64_t end = 0;  ///< of the reply, in octets that were said on the connection
  /// The relay has read the reply to its last octet.
  bool is_heard() const { return by->line->octets_read >= end; }
};

struct account {
  std::size_t number = 0;
  std::size_t message = 0;  ///< number of its first recipient's account
  std::size_t domain = 0;
  bool is_bulk = false;
  steady_time offered{};
  std::optional<steady_time> accepted;  ///< 250 was seen
  // What the next hop will think of it.
  bool is_unknown = false;
  steady_time full_until{};
  std::optional<steady_time> first_asked{};  ///< at a next hop with a greylist
  // What came of it.
  std::vector<copy> copies;           ///< of the message
  std::vector<copy> failed, delayed;  ///< of reports about it
  unsigned sent = 0, bounced = 0;     ///< as the relay says
  std::uint64_t taken_before = 0;     ///< copies that its next hop had when it was accepted
  std::uint64_t overtaken_by = 0;     ///< and how many more until its own
  bool is_settled() const { return !copies.empty() || !failed.empty(); }
};

/// The relay ended: from when on it may have forgotten things, until when it was away.
struct interruption {
  steady_time from{}, until{};
  bool is_orderly = false;  ///< nothing may be forgotten
};

struct totals {
  std::uint64_t recipients = 0, accepted = 0, delivered = 0, reported = 0, both = 0;
  std::uint64_t copies = 0;  ///< of the messages, in all
  /// Those that the relay could not know of, by why.
  std::uint64_t unheard = 0, crashed = 0, off_protocol = 0;
  std::uint64_t repeated = 0, repeated_reports = 0;  ///< beyond the first
};

class ledger {
 public:
  account& open();
  account* find(std::string_view forward_path);
  std::deque<account>& accounts() { return accounts_; }
  const std::deque<account>& accounts() const { return accounts_; }

  /// A next hop took `content` for these; with the null reverse-path it is a report.
  void took(bool is_report, const std::vector<std::string>& forward_paths,
            const std::string& content, const copy& one);
  void interrupted(const interruption& one) { interruptions_.push_back(one); }
  const std::vector<interruption>& interruptions() const { return interruptions_; }
  /// Accounts that were accepted, and of which nothing is known yet.
  std::size_t pending() const noexcept { return pending_; }
  void accept(account& a, steady_time when);

  /// Any moment: no reply was credited to somebody who was not in it.
  void relay_says_sent(std::string_view forward_path);
  void relay_says_bounced(std::string_view forward_path);
  /// At the end, when nothing is on its way any more.
  totals settle();

  void complain(std::string what);
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  enum class excuse { none, unheard, crash, protocol };
  excuse excuse_of(const copy& c, const std::string& whose);
  void check_copies(const std::vector<copy>& all, const std::string& whose, totals& sum);
  void took_report(const std::string& content, const copy& one);
  void settle(account& a, totals& sum);

  std::deque<account> accounts_;
  std::vector<interruption> interruptions_;
  std::vector<std::string> complaints_;
  std::size_t pending_ = 0;
};

/// What message number so-and-so says, from its Subject on; some are too large for memory.
std::string content_of(std::size_t message);

}  // namespace relais::soak
