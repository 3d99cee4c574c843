// A small HTTP/1.1 server over the injected network: Beast parses and writes, net::stream carries.
// Bounded in connections, header and body sizes and time. Lives on one worker.
#pragma once

#include <functional>
#include <memory>

#include "http/probes.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"

namespace relais::http {

class server {
 public:
  /// `state` is asked on the worker for each request.
  server(const net::runtime& world, std::unique_ptr<net::acceptor> listener,
         std::function<relay_state()> state);

  void start();
  /// Closes the listener and ends every connection.
  void stop();
  net::task<bool> join(duration limit) { return connections_.join(limit); }

 private:
  net::task<void> accept();
  net::task<void> serve(net::accepted_connection accepted);

  const net::runtime& world_;
  std::unique_ptr<net::acceptor> listener_;
  std::function<relay_state()> state_;
  net::task_group connections_;
};

}  // namespace relais::http
