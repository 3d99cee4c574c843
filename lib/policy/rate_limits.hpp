// How much a client may do within a time: several limits beside each other, over connections,
// messages or recipients, per client address, its network, the user or the sender. Pure: the time
// is handed in. Each limit counts in two halves of a sliding window: what happened in the window
// that is under way, and as much of the one before as still reaches into the last `window` before
// now, taken as evenly spread. That is O(1) in time and memory, and never lets more than the limit
// pass in one fixed window.
//
// Bounded: the counter that was used longest ago is forgotten. Counts do not survive a restart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "config/settings.hpp"
#include "policy/keyed_hash.hpp"
#include "policy/lru_map.hpp"

namespace relais::policy {

/// Who does it; what is empty is not known, and limits per it do not apply: no user before AUTH, no
/// sender before MAIL, nor for the null reverse-path, which all reports of the world share.
struct rate_subject {
  ip_address client;
  std::string_view user;
  std::string_view sender;
};

class rate_limits {
 public:
  rate_limits(const config::policy_settings& settings, const keyed_hash& hash,
              std::size_t maximum_counters = 200'000);

  /// Whether limits of that kind exist and the client is not exempt.
  bool concern(config::rate_of what, const ip_address& client) const noexcept;
  /// The rule that refuses one more now, "relais.yaml:40: policy.rates"; none: it may happen.
  /// Counts nothing.
  std::optional<std::string> exceeded(config::rate_of what, const rate_subject& who,
                                      steady_time now);
  /// It happens. What was refused, for whatever reason, is not to be counted.
  void count(config::rate_of what, const rate_subject& who, steady_time now);
  std::size_t counters() const noexcept { return counters_.size(); }

 private:
  struct counter {
    steady_time begin;  ///< of the window under way
    std::uint64_t current = 0, previous = 0;
  };
  std::optional<digest> key_of(std::size_t limit, const rate_subject& who) const;
  static void advance(counter& c, duration window, steady_time now) noexcept;

  std::vector<config::rate_limit> limits_;
  std::vector<ip_network> exempt_;
  keyed_hash hash_;
  lru_map<digest, counter, digest_hash> counters_;
};

}  // namespace relais::policy
