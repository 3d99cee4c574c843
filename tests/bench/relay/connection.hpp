// A TCP connection over loopback for the tools of the relay benchmark: what arrives is handed on at
// once, what is to be sent is kept until the socket takes it; TLS may be put on it at any time.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/relay/event_loop.hpp"

namespace relais::bench {

struct free_openssl {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using tls_context = std::unique_ptr<SSL_CTX, free_openssl>;
using tls_session = std::unique_ptr<SSL_SESSION, free_openssl>;

/// An address of 127.0.0.0/8 and a port; nothing else is ever connected to or listened on.
struct place {
  std::uint32_t address = 0;  ///< host order
  std::uint16_t port = 0;
};
/// From "127.0.0.1:2525"; throws std::invalid_argument, also outside of 127.0.0.0/8.
place to_place(const std::string& text);

/// A socket that listens there and does not block; throws std::system_error.
descriptor listen_at(const place& where, int backlog = 4096);
/// A socket at that port of all addresses which answers nobody: who connects waits in vain. More
/// special listeners at the same port are not concerned.
class silent_port {
 public:
  explicit silent_port(std::uint16_t port);

 private:
  descriptor listener_;
  descriptor first_[4];  ///< connections that fill its queue, so that the kernel drops all others
};
/// A socket whose connection has begun; throws std::system_error when not even that.
descriptor begin_connect(const place& where);
/// The next connection that waits there, not blocking and without Nagle's delay; none: empty.
descriptor accept_from(const descriptor& listener);

class connection : public watched {
 public:
  connection(event_loop& loop, descriptor socket, bool is_connected);
  void ready(std::uint32_t events) final;

 protected:
  /// The connection is there (also after the handshake of start_tls()).
  virtual void connected() = 0;
  /// More octets are in arrived_; take what can be used.
  virtual void received() = 0;
  /// The other side, or an error, ended it; close() was not called yet.
  virtual void ended(const std::string& why) = 0;

  void send(std::string_view octets);
  /// TLS from here on, as a client (resuming `session` if there is one) or as a server.
  void start_tls(SSL_CTX* context, bool is_client, SSL_SESSION* session = nullptr);
  bool is_open() const { return static_cast<bool>(socket_); }
  bool is_encrypted() const { return ssl_ != nullptr; }
  bool was_resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  /// Nothing is delivered to this object afterwards.
  void close();
  /// Acknowledge each segment at once (TCP_QUICKACK): without it a peer that leaves Nagle's
  /// algorithm on waits 40 ms per message, which is an artefact of loopback.
  void acknowledge_at_once() { acknowledges_at_once_ = true; }

  event_loop& loop_;
  std::string arrived_;

 private:
  void shake_hands();
  void receive();
  void flush();
  void fail(const std::string& why);
  void wait_for(std::uint32_t events);

  descriptor socket_;
  std::unique_ptr<SSL, free_openssl> ssl_;
  std::string to_send_;
  std::size_t sent_ = 0;
  std::uint32_t waits_for_ = 0;
  bool is_connected_;
  bool shakes_hands_ = false;
  bool acknowledges_at_once_ = false;
};

}  // namespace relais::bench
