// How often the logins of a client have failed, counted by address (IPv6: by /64), for all workers
// together: the budget against guessing. Thread-safe, bounded, and pure but for its mutex: time is
// passed in.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "config/settings.hpp"

namespace relais::auth {

class failure_book {
 public:
  /// Only failures_per_client and failure_window of the settings are used. Of more than `capacity`
  /// addresses, the one whose window began first is forgotten.
  explicit failure_book(const config::auth_settings& settings, std::size_t capacity = 65536);
  failure_book(const failure_book&) = delete;
  failure_book& operator=(const failure_book&) = delete;

  /// A reload of the configuration; what was counted stays.
  void configure(const config::auth_settings& settings);
  /// The budget of that client is spent: it has to wait until the window that began with its first
  /// failure ends.
  bool is_blocked(const ip_address& client, steady_time now);
  void failed(const ip_address& client, steady_time now);
  std::size_t size() const;

  /// 16 octets that are always the same for a name while this process lives, and tell nothing: the
  /// salt that SCRAM shows of users that do not exist.
  std::string salt_of_nobody(std::string_view user) const;

 private:
  struct entry {
    ip_address client;
    steady_time since;
    std::uint64_t failures = 0;
  };
  using entries = std::list<entry>;
  entries::iterator find(const ip_address& client);
  void drop(entries::iterator which);

  mutable std::mutex mutex_;
  std::uint64_t limit_;
  duration window_;
  std::size_t capacity_;
  entries entries_;  // by the beginning of their windows
  std::map<ip_address, entries::iterator> by_client_;
  const std::string key_;
};

/// How long the answer to the `failures`th failure of a connection (counted from 1) is held back:
/// failure_delay, doubled with each, up to 16 s; 0 failures: none.
duration failure_delay(const config::auth_settings& settings, std::uint64_t failures) noexcept;

}  // namespace relais::auth
