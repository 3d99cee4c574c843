// A small HTTP/1.1 server over the injected network: Beast parses and writes, net::stream carries.
// Bounded in connections, header and body sizes and time. Lives on one worker. What is answered is
// the matter of a handler.
#pragma once

#include <functional>
#include <memory>

#include "http/exchange.hpp"
#include "http/probes.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"

namespace relais::http {

struct server_limits {
  std::size_t connections = 64;
  std::size_t header = 8 * 1024;
  std::size_t body = 8 * 1024;
  duration request = std::chrono::seconds(10);  ///< until a request is there
  duration write = std::chrono::seconds(10);    ///< of each piece of a reply
  server_limits() = default;
};

class server {
 public:
  using handler = std::function<net::task<reply>(request)>;

  /// `answer` is called on the worker for each request.
  server(const net::runtime& world, std::unique_ptr<net::acceptor> listener, handler answer,
         server_limits limits);
  /// Probes only; `state` is asked on the worker for each request.
  server(const net::runtime& world, std::unique_ptr<net::acceptor> listener,
         std::function<relay_state()> state);

  void start();
  /// Closes the listener and ends every connection.
  void stop();
  net::task<bool> join(duration limit) { return connections_.join(limit); }

 private:
  struct received;
  net::task<void> accept();
  net::task<void> serve(net::accepted_connection accepted);
  net::task<received> read_request(net::stream& stream, std::string& unread);
  net::task<bool> write_reply(net::stream& stream, const received& asked, reply answered);
  net::task<bool> write_chunks(net::stream& stream, const received& asked, reply answered);

  const net::runtime& world_;
  std::unique_ptr<net::acceptor> listener_;
  handler answer_;
  server_limits limits_;
  net::task_group connections_;
};

}  // namespace relais::http
