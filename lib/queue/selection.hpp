// Which messages of the queue an operator means: ids, or criteria that are all met. Pure: what is
// asked about a message is its envelope and states as the spool knows them, the ways that its
// recipients take, and the time.
//
// Not here: finding messages (delivery/operator_hand), what is done with them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/route.hpp"
#include "spool/store.hpp"

namespace relais::queue {

/// As asked. Every criterion that is given must be met; within a list any word does.
struct selection {
  std::vector<queue_id> ids;  ///< none: any
  bool all = false;           ///< said so: nothing else need be given
  /// "a@b.example", "a@", "b.example" (that domain only), ".example" (what is below), "<>".
  std::vector<std::string> senders;
  std::vector<std::string> recipients;
  /// A next hop as it is shown ("[relay.example]:587"), or the name of its domain or host, with
  /// ".example" for what is below.
  std::vector<std::string> destinations;
  std::optional<duration> older, younger;        ///< than so much, since the arrival
  std::optional<std::uint64_t> larger, smaller;  ///< than so many octets
  std::optional<bool> held;
  std::string reason;            ///< a part of why a recipient waits, without regard to ASCII case
  bool reason_is_regex = false;  ///< `reason` is a regular expression

  selection() = default;
  /// Nothing was said at all: means nobody, not everybody.
  bool is_empty() const noexcept;
  /// Ids and nothing else: whoever lists them has seen them.
  bool is_explicit() const noexcept;
};

/// The way that a recipient takes, in words that an operator may use.
struct way_names {
  std::string text;                ///< of the next hop
  std::vector<std::string> hosts;  ///< its domain, or its hosts
  way_names() = default;
};

/// Where the next attempt for that recipient goes.
policy::next_hop hop_of(const policy::routes& routes, const spool::stored_message& message,
                        std::size_t recipient, wall_time now);
way_names names_of(const policy::routes& routes, const policy::next_hop& hop);

class selector {
 public:
  /// Empty: `why` is a sentence about the word that makes no sense.
  static std::optional<selector> make(const selection& asked, std::string& why);

  /// The pending recipients that are meant, by index; none: the message is not meant. What is said
  /// of recipients (recipients, destinations, reason) must hold for the same one. `way` is asked
  /// only where destinations are given.
  std::vector<std::size_t> matching(const spool::stored_message& message, wall_time now,
                                    const std::function<way_names(std::size_t)>& way) const;
  const selection& asked() const noexcept { return asked_; }

 private:
  struct pattern;
  selector() = default;
  bool fits_message(const spool::stored_message& message, wall_time now) const;
  bool fits_reason(const spool::recipient_state& state) const;
  selection asked_;  // words as keys; ids sorted
  std::shared_ptr<const pattern> pattern_;
};

}  // namespace relais::queue
