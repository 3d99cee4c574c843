// What hosts have shown, for a while: that they cannot be reached, that they are slow, that TLS or
// PIPELINING does not work there. By the text of where they are ("192.0.2.1:25", a path). Bounded:
// the host about which nothing was learnt for the longest time is forgotten. Pure: time is passed
// in. One per worker.
#pragma once

#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"

namespace relais::delivery {

struct host_book_options {
  std::size_t maximum = 10'000;
  duration retry = std::chrono::minutes(10);  ///< how long dead and slow hold
  duration clear = std::chrono::hours(1);     ///< how long TLS is not tried, where it need not be
  duration unpipelined = std::chrono::hours(24);
  duration warning = std::chrono::hours(1);  ///< between two warnings about a host
};

/// What counts of a host now.
struct host_standing {
  bool is_dead = false;
  bool refuses = false;  ///< dead because it greeted with 5xx
  bool is_slow = false;
  bool is_clear = false;  ///< go straight to clear, at tls_level::may
  bool is_unpipelined = false;
  steady_time failed_at{};
};

/// Why a host is dead, for those who ask meanwhile.
struct host_failure {
  std::string status;  ///< RFC 3463
  std::string reason;
  std::string relay;  ///< the host as in logs
  bool refuses = false;
  host_failure() = default;
};

class host_book {
 public:
  explicit host_book(host_book_options options) : options_(options) {}

  // Lessons.
  void failed(std::string_view host, steady_time now, host_failure why);
  /// A session got ready: it is not dead.
  void worked(std::string_view host, steady_time now);
  void was_slow(std::string_view host, steady_time now);
  void fell_back(std::string_view host, steady_time now);
  void broke_pipelining(std::string_view host, steady_time now);
  /// Whether it is time to warn of it; notes that this was done.
  bool should_warn(std::string_view host, steady_time now);

  host_standing look_up(std::string_view host, steady_time now) const;
  /// Of a host that is dead now; null otherwise.
  const host_failure* failure_of(std::string_view host, steady_time now) const;
  std::size_t size() const noexcept { return entries_.size(); }
  /// Those of which anything counts now.
  void visit(steady_time now,
             const std::function<void(const std::string& host, host_standing, const host_failure&)>&
                 visitor) const;

 private:
  struct entry {
    std::string host;
    steady_time dead_until{}, slow_until{}, clear_until{}, unpipelined_until{}, warned_until{};
    steady_time failed_at{};
    host_failure failure;
  };
  static host_standing standing(const entry& e, steady_time now) noexcept;
  const entry* find(std::string_view host) const;
  entry& note(std::string_view host);

  host_book_options options_;
  std::list<entry> entries_;                                                // latest lesson first
  std::unordered_map<std::string_view, std::list<entry>::iterator> index_;  // by the entries' hosts
};

}  // namespace relais::delivery
