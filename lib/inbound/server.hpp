// Accepts connections on the listeners of one worker and runs a session for each, within the
// limits.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "inbound/session.hpp"
#include "net/task_group.hpp"

namespace relais::inbound {

class server {
 public:
  /// `connections` counts the sessions of all workers.
  server(session_context context, std::atomic<std::uint64_t>& connections);

  /// Takes over a bound listener (bound early: privileges are dropped before the spool is opened).
  void adopt(std::unique_ptr<net::acceptor> listener) { listeners_.push_back(std::move(listener)); }
  /// Connections are accepted from here on.
  void start();
  /// Closes the listeners; idle sessions get 421, transactions under way may finish.
  void drain();
  /// Ends every session now.
  void stop() { sessions_.stop(); }
  net::task<bool> join(duration limit) { return sessions_.join(limit); }
  std::size_t sessions() const noexcept { return live_.size(); }

 private:
  net::task<void> accept_from(net::acceptor& listener);
  net::task<void> run(net::accepted_connection accepted);

  session_context context_;
  std::atomic<std::uint64_t>& connections_;
  std::vector<std::unique_ptr<net::acceptor>> listeners_;
  std::list<session*> live_;
  std::map<ip_address, std::uint64_t> per_client_;  // of this worker
  net::task_group sessions_;
  bool draining_ = false;
};

}  // namespace relais::inbound
