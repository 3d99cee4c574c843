#include "net/socket_transport.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "base/error.hpp"

namespace relais::net {
namespace {

error_code translated(const error_code& ec) {
  if (ec == asio::error::operation_aborted) return errc::cancelled;
  if (ec == asio::error::eof) return errc::peer_closed;
  return ec;
}

class socket_transport final : public transport {
 public:
  explicit socket_transport(asio::generic::stream_protocol::socket socket)
      : socket_(std::move(socket)) {}

  task<result<std::size_t>> read_some(asio::mutable_buffer buffer) override {
    auto [ec, n] = co_await socket_.async_read_some(buffer, nothrow);
    if (ec) co_return translated(ec);
    co_return n;
  }

  task<error_code> write(asio::const_buffer octets) override {
    // Not asio::async_write: a cancel() that meets it between two of its steps would be lost.
    const auto cancellations = cancellations_;
    while (octets.size() != 0) {
      auto [ec, n] = co_await socket_.async_write_some(octets, nothrow);
      if (ec) co_return translated(ec);
      octets += n;
      if (octets.size() != 0 && cancellations != cancellations_) co_return errc::cancelled;
    }
    co_return error_code{};
  }

  void cancel() noexcept override {
    error_code ignored;
    ++cancellations_;
    socket_.cancel(ignored);
  }

  void close() noexcept override {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.close(ignored);
  }

  bool is_quiet() const noexcept override {
    if (!socket_.is_open()) return false;
    char octet = 0;
    // native_handle() is not const, though it changes nothing.
    auto& socket = const_cast<asio::generic::stream_protocol::socket&>(socket_);
    const auto got = ::recv(socket.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  }

 private:
  asio::generic::stream_protocol::socket socket_;
  unsigned cancellations_ = 0;
};

}  // namespace

std::unique_ptr<transport> make_socket_transport(asio::generic::stream_protocol::socket socket) {
  return std::make_unique<socket_transport>(std::move(socket));
}

}  // namespace relais::net
