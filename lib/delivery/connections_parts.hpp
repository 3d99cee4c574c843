// What connections and the search for a session share: who is connected where, what is idle, what
// is remembered. Header of delivery/ only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "delivery/connections.hpp"
#include "delivery/host_book.hpp"
#include "delivery/host_order.hpp"
#include "delivery/idle_sessions.hpp"
#include "tls/client_sessions.hpp"

namespace relais::delivery {

/// Sessions by host, from the beginning of the connect to the end of the object. Outlives
/// connections where a session does.
class session_counts {
 public:
  struct host {
    std::string text;          ///< relay_text() of the latest one
    std::size_t sessions = 0;  ///< connecting ones included
    std::size_t ready = 0;     ///< of them
    std::size_t probes = 0;    ///< of them, while it was dead
  };
  /// `limit` is per host, unless places are shared with others.
  session_counts(net::asio::any_io_executor executor, std::shared_ptr<host_places> places,
                 std::size_t limit);

  const host* find(const std::string& where) const;
  /// One more session may be there: to be followed by a ticket. False: announce() follows.
  bool take_place(const std::string& where) { return places_->take(me_, where); }
  std::size_t total() const noexcept { return total_; }
  const std::unordered_map<std::string, host>& all() const noexcept { return hosts_; }
  /// Calls on_free, in a turn of its own.
  void announce();

  std::function<void()> on_free;

 private:
  friend class session_ticket;
  net::asio::any_io_executor executor_;
  std::shared_ptr<host_places> places_;
  std::size_t me_ = 0;
  std::unordered_map<std::string, host> hosts_;
  std::size_t total_ = 0;
  bool is_announced_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Belongs to one session, from the connect on, for which a place was taken; its end is the
/// session's.
class session_ticket {
 public:
  session_ticket(std::shared_ptr<session_counts> counts, const session_target& to, bool is_probe);
  ~session_ticket();
  session_ticket(const session_ticket&) = delete;
  session_ticket& operator=(const session_ticket&) = delete;

  void became_ready();

  const std::string where;
  std::string key;  ///< what makes two connections the same
  steady_time made{};

 private:
  std::shared_ptr<session_counts> counts_;
  bool is_probe_;
  bool is_ready_ = false;
};

/// Of a session that connections made.
session_ticket& ticket_of(const client_session& session);

struct connections_parts {
  explicit connections_parts(connections_world surroundings);

  /// What makes two connections to this target the same: equal keys may be used for each other.
  static std::string key_of(std::uint32_t profile, const policy::tls_policy& tls,
                            const session_target& to);
  /// QUIT in the background.
  void close(std::unique_ptr<client_session> session);
  /// Idle from now on, or closed, if it must not be used again.
  void keep(const policy::next_hop& hop, std::unique_ptr<client_session> session);
  /// Whether one more transaction is allowed, as far as we are concerned and the peer has said.
  bool is_reusable(const policy::next_hop& hop, const client_session& session) const;
  /// The first one that `suits` and is alive; those that turn out not to be are closed.
  /// `which` is the next hop or a key.
  template <class Which>
  std::unique_ptr<client_session> take_idle(
      const Which& which, const policy::next_hop& hop,
      const std::function<bool(const client_session&)>& suits) {
    while (auto session = idle.take(which, suits)) {
      if (session->is_quiet() && is_reusable(hop, *session)) return session;
      close(std::move(session));
    }
    return nullptr;
  }
  /// There may be one more session to that host, and in all. May close idle ones for it.
  bool make_room(const std::string& where);
  void close_expired();

  connections_world around;
  std::shared_ptr<session_counts> counts;
  host_book book;
  idle_sessions idle;
  tls::client_sessions tls_sessions;
  std::vector<std::uint32_t> profiles;  ///< by route: equal numbers, equal ways of connecting
  std::unique_ptr<net::alarm> expiry;
  net::task_group group;
  bool is_draining = false;
};

}  // namespace relais::delivery
