#include "net/listening.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/error.hpp"
#include "net/inherited_sockets.hpp"
#include "net/socket_transport.hpp"

namespace relais::net {
namespace {

using tcp = asio::ip::tcp;
using generic = asio::generic::stream_protocol;
using listening_socket = asio::basic_socket_acceptor<generic>;
using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

error_code system_error(int number) {
  return {number, boost::system::system_category()};
}

// The name of a UNIX socket, and how to know that it is still ours.
struct socket_name {
  std::string path;
  ::dev_t device;
  ::ino_t node;
  void remove() const noexcept {
    struct ::stat now{};
    if (::lstat(path.c_str(), &now) != 0 || now.st_dev != device || now.st_ino != node) return;
    ::unlink(path.c_str());
  }
};

std::optional<std::uint32_t> user_of(generic::socket& socket) {
  ::ucred peer{};
  ::socklen_t size = sizeof peer;
  // Other kinds of sockets have no such thing, and say so or give an impossible user.
  const int failed = ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (failed != 0 || peer.uid == static_cast<::uid_t>(-1)) return {};
  return peer.uid;
}

class system_acceptor final : public acceptor {
 public:
  system_acceptor(listening_socket listening, listen_address address,
                  std::optional<socket_name> own_name)
      : acceptor_(std::move(listening)),
        address_(std::move(address)),
        own_name_(std::move(own_name)) {
    error_code ignored;
    local_ = from_asio(acceptor_.local_endpoint(ignored));
    if (address_.is == listen_address::kind::inet || address_.is == listen_address::kind::any) {
      address_.at.port = local_.port;
    }
  }
  ~system_acceptor() override { close(); }
  system_acceptor(const system_acceptor&) = delete;
  system_acceptor& operator=(const system_acceptor&) = delete;

  task<result<accepted_connection>> accept() override {
    // The address comes with accept(2): a client that has reset meanwhile has none any more, which
    // is no failure to accept.
    socket_endpoint remote;
    auto [ec, socket] = co_await acceptor_.async_accept(remote, nothrow);
    if (ec == asio::error::operation_aborted || !acceptor_.is_open()) co_return errc::cancelled;
    if (ec) co_return ec;
    error_code ignored;
    const auto local = socket.local_endpoint(ignored);
    socket.set_option(tcp::no_delay(true), ignored);
    accepted_connection made{nullptr, from_asio(remote), from_asio(local), {}};
    made.user = user_of(socket);
    made.connection = make_socket_transport(std::move(socket));
    co_return made;
  }

  void close() noexcept override {
    if (own_name_) own_name_->remove();
    own_name_.reset();
    error_code ignored;
    acceptor_.close(ignored);
  }

  endpoint local() const override { return local_; }
  listen_address address() const override { return address_; }

 private:
  listening_socket acceptor_;
  listen_address address_;
  endpoint local_;
  std::optional<socket_name> own_name_;
};

result<std::unique_ptr<acceptor>> bind_and_listen(const asio::any_io_executor& executor,
                                                  const tcp::endpoint& where,
                                                  const listen_address& address, bool shared,
                                                  bool v6_only) {
  try {
    listening_socket a(executor, generic(where.protocol()));
    a.set_option(asio::socket_base::reuse_address(true));
    if (shared) a.set_option(reuse_port(true));
    if (where.address().is_v6()) a.set_option(asio::ip::v6_only(v6_only));
    a.bind(socket_endpoint(where));
    a.listen(asio::socket_base::max_listen_connections);
    return std::unique_ptr<acceptor>(
        std::make_unique<system_acceptor>(std::move(a), address, std::nullopt));
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
}

// Whether somebody answers there. A UNIX socket says so at once.
bool is_alive(const ::sockaddr_un& at) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return true;
  const auto* generic_at = reinterpret_cast<const ::sockaddr*>(&at);
  const bool refused = ::connect(probe, generic_at, sizeof at) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return !refused;
}

error_code make_way(const std::string& path, const ::sockaddr_un& at) {
  struct ::stat there{};
  if (::lstat(path.c_str(), &there) != 0)
    return errno == ENOENT ? error_code{} : system_error(errno);
  if (!S_ISSOCK(there.st_mode) || is_alive(at)) return system_error(EADDRINUSE);
  return ::unlink(path.c_str()) == 0 ? error_code{} : system_error(errno);
}

error_code check_listening(int descriptor) {
  int value = 0;
  ::socklen_t size = sizeof value;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &value, &size) != 0) return system_error(errno);
  if (value != SOCK_STREAM) return system_error(EINVAL);
  size = sizeof value;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) != 0) {
    return system_error(errno);
  }
  return value != 0 ? error_code{} : system_error(EINVAL);
}

}  // namespace

socket_endpoint to_asio(const endpoint& e) {
  if (e.address.is_v6()) return tcp::endpoint{asio::ip::address_v6(e.address.as_v6()), e.port};
  return tcp::endpoint{asio::ip::address_v4(e.address.as_v4()), e.port};
}

endpoint from_asio(const socket_endpoint& e) {
  const int family = e.protocol().family();
  if (family == AF_INET && e.size() >= sizeof(::sockaddr_in)) {
    ::sockaddr_in found{};
    std::memcpy(&found, e.data(), sizeof found);
    return {ip_address::v4(ntohl(found.sin_addr.s_addr)), ntohs(found.sin_port)};
  }
  if (family == AF_INET6 && e.size() >= sizeof(::sockaddr_in6)) {
    ::sockaddr_in6 found{};
    std::memcpy(&found, e.data(), sizeof found);
    ip_address::octets octets;
    std::memcpy(octets.data(), &found.sin6_addr, octets.size());
    return {ip_address::v6(octets), ntohs(found.sin6_port)};
  }
  return {ip_address::v4(INADDR_LOOPBACK), 0};
}

result<std::unique_ptr<acceptor>> listen_at(const asio::any_io_executor& executor,
                                            const endpoint& at, bool shared) {
  const auto where = at.address.is_v6()
                         ? tcp::endpoint{asio::ip::address_v6(at.address.as_v6()), at.port}
                         : tcp::endpoint{asio::ip::address_v4(at.address.as_v4()), at.port};
  // [::] takes both families; an address of IPv6 only its own.
  return bind_and_listen(executor, where, at, shared, !at.address.is_unspecified());
}

result<std::unique_ptr<acceptor>> listen_everywhere(const asio::any_io_executor& executor,
                                                    std::uint16_t port, bool shared) {
  listen_address address;
  address.is = listen_address::kind::any;
  address.at.port = port;
  auto made = bind_and_listen(executor, {tcp::v6(), port}, address, shared, false);
  const bool no_ipv6 = !made && (made.error() == asio::error::address_family_not_supported ||
                                 made.error() == boost::system::errc::address_not_available);
  if (!no_ipv6) return made;
  return bind_and_listen(executor, {tcp::v4(), port}, address, shared, false);
}

result<std::unique_ptr<acceptor>> listen_locally(const asio::any_io_executor& executor,
                                                 const std::string& path, unsigned mode) {
  ::sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof at.sun_path) return system_error(ENAMETOOLONG);
  path.copy(at.sun_path, path.size());
  if (const auto ec = make_way(path, at)) return ec;
  listen_address address;
  address.is = listen_address::kind::local;
  address.name = path;
  try {
    listening_socket a(executor, generic(asio::local::stream_protocol()));
    a.bind(socket_endpoint(asio::local::stream_protocol::endpoint(path)));
    struct ::stat made{};
    // Nobody can connect before listen(2): there is no moment with other permissions.
    if (::chmod(path.c_str(), mode) != 0 || ::lstat(path.c_str(), &made) != 0) {
      const auto ec = system_error(errno);
      ::unlink(path.c_str());
      return ec;
    }
    a.listen(asio::socket_base::max_listen_connections);
    const socket_name name{path, made.st_dev, made.st_ino};
    return std::unique_ptr<acceptor>(
        std::make_unique<system_acceptor>(std::move(a), address, name));
  } catch (const boost::system::system_error& e) {
    return e.code();
  }
}

result<std::unique_ptr<acceptor>> listen_inherited(const asio::any_io_executor& executor,
                                                   const std::string& name) {
  std::optional<int> found;
  for (const auto& s : inherited_sockets()) {
    if (s.name != name) continue;
    if (found) return errc::exists;
    found = s.descriptor;
  }
  if (!found) return errc::not_found;
  if (const auto ec = check_listening(*found)) return ec;
  ::fcntl(*found, F_SETFD, FD_CLOEXEC);
  ::sockaddr_storage at{};
  ::socklen_t size = sizeof at;
  if (::getsockname(*found, reinterpret_cast<::sockaddr*>(&at), &size) != 0) {
    return system_error(errno);
  }
  const int own = ::fcntl(*found, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return system_error(errno);
  listen_address address;
  address.is = listen_address::kind::inherited;
  address.name = name;
  listening_socket a(executor);
  error_code ec;
  a.assign(generic(at.ss_family, 0), own, ec);
  if (ec) {
    ::close(own);
    return ec;
  }
  return std::unique_ptr<acceptor>(
      std::make_unique<system_acceptor>(std::move(a), address, std::nullopt));
}

}  // namespace relais::net
