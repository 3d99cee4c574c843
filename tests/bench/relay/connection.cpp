#include "bench/relay/connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace relais::bench {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

::sockaddr_in to_sockaddr(const place& where) {
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(where.port);
  address.sin_addr.s_addr = htonl(where.address);
  return address;
}

void set_flag(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

place to_place(const std::string& text) {
  const auto colon = text.rfind(':');
  ::in_addr address{};
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address) != 1) {
    throw std::invalid_argument(text + ": an address as 127.0.0.1:2525 is needed");
  }
  const place result{ntohl(address.s_addr),
                     static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)))};
  if (result.address >> 24 != 127) throw std::invalid_argument(text + ": not in 127.0.0.0/8");
  return result;
}

descriptor listen_at(const place& where, int backlog) {
  descriptor result(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!result) throw_errno("socket");
  set_flag(result.get(), SOL_SOCKET, SO_REUSEADDR);
  set_flag(result.get(), SOL_SOCKET, SO_REUSEPORT);  // beside a silent_port
  const auto address = to_sockaddr(where);
  if (::bind(result.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0) {
    throw_errno("bind");
  }
  if (::listen(result.get(), backlog) != 0) throw_errno("listen");
  return result;
}

silent_port::silent_port(std::uint16_t port) : listener_(listen_at({0, port}, 0)) {
  for (auto& socket : first_) socket = begin_connect({0x7f000001, port});
}

descriptor begin_connect(const place& where) {
  descriptor result(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!result) throw_errno("socket");
  set_flag(result.get(), IPPROTO_TCP, TCP_NODELAY);
  const auto address = to_sockaddr(where);
  if (::connect(result.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    throw_errno("connect");
  }
  return result;
}

descriptor accept_from(const descriptor& listener) {
  descriptor result(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (result) set_flag(result.get(), IPPROTO_TCP, TCP_NODELAY);
  return result;
}

connection::connection(event_loop& loop, descriptor socket, bool is_connected)
    : loop_(loop), socket_(std::move(socket)), is_connected_(is_connected) {
  waits_for_ = is_connected ? EPOLLIN : EPOLLOUT;
  loop_.watch(socket_.get(), waits_for_, *this);
}

void connection::wait_for(std::uint32_t events) {
  if (events == waits_for_ || !is_open()) return;
  waits_for_ = events;
  loop_.change(socket_.get(), events, *this);
}

void connection::ready(std::uint32_t events) {
  if (!is_open()) return;
  if (!is_connected_) {
    int error = 0;
    ::socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      fail(std::system_category().message(error));
      return;
    }
    is_connected_ = true;
    flush();
    connected();
    return;
  }
  if (shakes_hands_) {
    shake_hands();
    return;
  }
  if ((events & EPOLLOUT) != 0) flush();
  if (is_open() && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive();
}

void connection::receive() {
  thread_local std::array<char, 64 * 1024> piece;
  for (;;) {
    const auto got = ssl_ ? SSL_read(ssl_.get(), piece.data(), piece.size())
                          : static_cast<int>(::recv(socket_.get(), piece.data(), piece.size(), 0));
    if (got > 0) {
      if (acknowledges_at_once_) set_flag(socket_.get(), IPPROTO_TCP, TCP_QUICKACK);
      arrived_.append(piece.data(), static_cast<std::size_t>(got));
      received();
      if (!ssl_ || !is_open() || shakes_hands_)
        return;  // OpenSSL may hold more that epoll does not see
      continue;
    }
    if (ssl_ && SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ) return;
    if (!ssl_ && got < 0 && would_block()) return;
    fail(got == 0 || ssl_ ? "the connection was closed" : std::system_category().message(errno));
    return;
  }
}

void connection::send(std::string_view octets) {
  if (!is_open()) return;
  const bool was_empty = to_send_.empty();
  to_send_.append(octets);
  if (was_empty && is_connected_ && !shakes_hands_) flush();
}

void connection::flush() {
  while (sent_ < to_send_.size()) {
    const auto* from = to_send_.data() + sent_;
    const auto size = to_send_.size() - sent_;
    const auto done = ssl_ ? SSL_write(ssl_.get(), from, static_cast<int>(size))
                           : static_cast<int>(::send(socket_.get(), from, size, MSG_NOSIGNAL));
    if (done > 0) {
      sent_ += static_cast<std::size_t>(done);
      continue;
    }
    const bool waits =
        ssl_ ? SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_WRITE : would_block();
    if (!waits) {
      // A reply that came before the connection was lost is still to be read: the next read tells.
      to_send_.clear();
      sent_ = 0;
      return;
    }
    wait_for(EPOLLIN | EPOLLOUT);
    return;
  }
  to_send_.clear();
  sent_ = 0;
  wait_for(EPOLLIN);
}

void connection::start_tls(SSL_CTX* context, bool is_client, SSL_SESSION* session) {
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
  if (is_client) {
    if (session != nullptr) SSL_set_session(ssl_.get(), session);
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
  arrived_.clear();
  shakes_hands_ = true;
  shake_hands();
}

void connection::shake_hands() {
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    shakes_hands_ = false;
    wait_for(EPOLLIN);
    connected();
    if (is_open()) receive();
    return;
  }
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ: wait_for(EPOLLIN); break;
    case SSL_ERROR_WANT_WRITE: wait_for(EPOLLOUT); break;
    default: fail("the TLS handshake failed");
  }
}

void connection::fail(const std::string& why) {
  ended(why);
  close();
}

void connection::close() {
  if (!is_open()) return;
  if (ssl_) SSL_shutdown(ssl_.get());
  ssl_.reset();
  socket_.reset();
}

}  // namespace relais::bench
