// From a next hop to a session that is ready: idle sessions are used again, else its hosts are
// looked up and tried in their order, without those that are known to be dead; the addresses of one
// preference are raced a little, families alternating (RFC 8305 in spirit, bounded). Remembers what
// hosts have shown: dead until when, no TLS, lies about PIPELINING. One per worker.
//
// Not here: how many connections a destination may have (engine), what the end of a transaction
// means (classify).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event.hpp"
#include "delivery/classify.hpp"
#include "delivery/client_session.hpp"
#include "delivery/host_places.hpp"
#include "dns/hosts.hpp"
#include "net/task_group.hpp"
#include "policy/route.hpp"
#include "tls/client_context.hpp"

namespace relais::delivery {

/// What a job needs that one host did not offer: another may.
struct unmet_need {
  const smtp::transaction* what = nullptr;
  std::string not_there;  ///< relay_text() of the host that lacks it
  verdict said;
  unmet_need() = default;
};

struct reached {
  std::unique_ptr<client_session> session;  ///< null: `why` says it
  verdict why;
  bool is_reused = false;
  /// The hosts have all the connections that they may have: no failure, ask again when one is free.
  bool is_busy = false;
  std::string relay = "none";  ///< "mx.example[192.0.2.1]:25", the last one tried
  std::string remote_mta;      ///< its name; "" if none was reached
  reached() = default;
};

/// What connections need; everything outlives them.
struct connections_world {
  const net::runtime& world;
  const config::settings& settings;
  const policy::routes& routes;
  const tls::client_contexts& tls;  ///< client_contexts_of(routes): shared by all workers
  dns::resolver& resolver;
  event_sink& events;
  std::function<bool(const endpoint&)> is_own;  ///< we listen there
  /// Of all workers; null: there is only this one.
  std::shared_ptr<host_places> places = nullptr;
};

/// A TLS context for each set of files that the routes name. Throws std::runtime_error with a
/// sentence that names the file.
tls::client_contexts client_contexts_of(const policy::routes& routes);

struct connections_parts;

class connections {
 public:
  explicit connections(connections_world surroundings);
  connections(const connections&) = delete;
  connections& operator=(const connections&) = delete;
  ~connections();

  /// A session of this next hop that is idle, one to a host of it, or a new one. With `need`: to a
  /// host that can take it; else `why` says what all lack. `is_fresh`: a new one in any case.
  net::task<reached> reach(policy::next_hop hop, const unmet_need* need, bool is_fresh = false);
  /// Behind the last transaction: kept idle for the next one, or closed. Usable or not: an unusable
  /// one tells what is remembered of its host.
  void give_back(const policy::next_hop& hop, std::unique_ptr<client_session> session);
  /// A session that was given back by this next hop is idle: reach() will not have to connect. (One
  /// to a host that it shares with another next hop is found by reach() only.)
  bool has_idle(const policy::next_hop& hop) const noexcept;
  /// Called, in a turn of its own, when a session was closed or given back (somebody may have got
  /// is_busy).
  void on_free(std::function<void()> call);

  struct host_view {
    std::string text;                                         ///< "mx.example[192.0.2.1]:25"
    std::size_t sessions = 0, idle = 0;                       ///< idle ones are among the sessions
    bool is_dead = false, is_slow = false, is_clear = false;  ///< clear: TLS failed there
    std::string reason;                                       ///< why it is dead
    host_view() = default;
  };
  void visit_hosts(const std::function<void(const host_view&)>& visitor) const;

  /// Idle sessions say QUIT; nothing is kept any more.
  void drain();
  /// What is under way here (connecting, QUIT) ends soon.
  void stop();
  net::task<bool> join(duration limit);
  std::size_t size() const noexcept;  ///< sessions, idle ones included

 private:
  std::unique_ptr<connections_parts> parts_;
};

}  // namespace relais::delivery
