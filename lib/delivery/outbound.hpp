// What the engine knows of a destination while it works for it: its sessions, how many of them it
// bears, its pace. Made when the destination has work, dropped when it has been idle for a while.
#pragma once

#include <memory>

#include "net/runtime.hpp"
#include "policy/concurrency.hpp"
#include "policy/pace.hpp"
#include "queue/destination.hpp"

namespace relais::delivery {

/// Which line a destination waits in for a session: those that never answer must not keep those
/// that do from their mail.
enum class standing : std::uint8_t {
  live,   ///< has taken a message lately
  fresh,  ///< nothing is known
  probe   ///< does not answer; one session looks whether it does again
};

struct outbound final : queue::delivery_part {
  explicit outbound(const policy::route& way)
      : bears(way.initial_concurrency, way.concurrency),
        messages(way.messages, way.rate_window),
        connections(way.connections, way.rate_window) {}

  policy::concurrency bears;
  policy::pace messages, connections;
  std::unique_ptr<net::alarm> bell;  ///< when the pace allows more
  std::size_t sessions = 0;
  std::size_t starting = 0;   ///< of the sessions, those without a job yet
  std::size_t connected = 0;  ///< of the sessions, those that are set up
  unsigned troubles = 0;      ///< sessions in a row that broke, with no success between
  bool has_succeeded = false;
  bool is_probing = false;     ///< one of the sessions is the probe
  bool in_line = false;        ///< waits for a slot
  bool for_a_host = false;     ///< its hosts have all the connections that they may have
  bool is_paced = false;       ///< the bell is set
  bool is_looked_at = false;   ///< by the clerk: what needs no session
  bool is_remembered = false;  ///< stands in the list of idle ones
  steady_time idle_since{};

  bool is_idle() const noexcept {
    return sessions == 0 && !in_line && !for_a_host && !is_paced && !is_looked_at;
  }
  /// Worth remembering while it has nothing to do.
  bool has_learned() const noexcept {
    return has_succeeded || messages.is_limited() || connections.is_limited();
  }
};

}  // namespace relais::delivery
