// The client side of the benchmark of sessions: thousands of connections of one thread, on the
// transport that relais itself uses. What the server costs is measured by others (sessions.py).
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "net/stream.hpp"

namespace relais::bench {

struct free_tls {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
  void operator()(SSL_SESSION* s) const noexcept { SSL_SESSION_free(s); }
};
using session_ptr = std::unique_ptr<SSL_SESSION, free_tls>;

/// How a connection begins.
enum class opening : std::uint8_t { clear, starttls, implicit };

class client {
 public:
  explicit client(const endpoint& server);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Connects and reads the greeting; TLS from the first octet where `how` says so. `resume`: with
  /// the session of the last connection that had one. Null: it failed, failure() says why.
  net::task<std::unique_ptr<net::stream>> open(opening how, bool resume);
  /// EHLO, STARTTLS and EHLO again where `how` says so: an idle session of an ordinary client.
  net::task<bool> greet(net::stream& with, opening how);

  const std::string& failure() const noexcept { return failure_; }
  std::uint64_t resumed() const noexcept { return resumed_; }
  boost::asio::io_context& io() noexcept { return io_; }
  const net::runtime& world() const noexcept { return world_; }

 private:
  net::task<bool> start_tls(net::stream& on, bool resume);
  net::task<bool> expect(net::stream& from, std::string_view code);
  bool fail(std::string why);
  static int remember(SSL* ssl, SSL_SESSION* session);

  boost::asio::io_context io_;
  system_clocks time_;
  seeded_random random_{1};
  std::unique_ptr<net::alarms> alarms_;
  std::unique_ptr<net::network> network_;
  net::runtime world_;
  std::unique_ptr<SSL_CTX, free_tls> tls_;
  session_ptr session_;
  endpoint server_;
  std::uint64_t opened_ = 0;
  std::uint64_t resumed_ = 0;
  std::string failure_;
};

}  // namespace relais::bench
