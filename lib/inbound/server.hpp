// Accepts connections on the listeners of one worker and runs a session for each, within the
// limits.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <vector>

#include "inbound/session.hpp"
#include "inbound/shared_policy.hpp"
#include "net/descriptors.hpp"
#include "net/task_group.hpp"

namespace relais::inbound {

/// One listener as all workers see it; outlives them.
struct shared_listener {
  explicit shared_listener(listener_profile p) : profile(std::move(p)) {}
  listener_profile profile;
  std::atomic<std::uint64_t> connections{0};
};

class server {
 public:
  /// `connections` counts the sessions of all workers; the context refers to it, too.
  server(session_context context, std::atomic<std::uint64_t>& connections, connection_book& clients,
         net::descriptor_reserve& descriptors);

  /// Takes over a bound listener (bound early: privileges are dropped before the spool is opened).
  void adopt(std::unique_ptr<net::acceptor> acceptor, shared_listener& of);
  /// Connections are accepted from here on.
  void start();
  /// Closes the listeners; idle sessions get 421, transactions under way may finish.
  void drain();
  /// Ends every session now.
  void stop() { sessions_.stop(); }
  net::task<bool> join(duration limit) { return sessions_.join(limit); }
  std::size_t sessions() const noexcept { return live_.size(); }

 private:
  struct opened {
    std::unique_ptr<net::acceptor> acceptor;
    shared_listener* listener;
  };
  net::task<void> accept_from(opened& from);
  net::task<void> run(shared_listener& of, net::accepted_connection accepted);
  net::task<void> serve(session& s, std::optional<smtp::reply_id> refusal);
  std::optional<smtp::reply_id> refusal_for(const session& s, std::uint64_t total,
                                            const shared_listener& of,
                                            std::uint64_t of_listener) const;
  void tell_once(bool& told, const std::string& why);

  session_context context_;
  std::atomic<std::uint64_t>& connections_;
  connection_book& clients_;
  net::descriptor_reserve& descriptors_;
  std::list<opened> opened_;
  std::list<session*> live_;
  net::task_group sessions_;
  bool draining_ = false;
};

}  // namespace relais::inbound
