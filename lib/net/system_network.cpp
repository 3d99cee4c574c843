// The network of the operating system: TCP by Asio. Errors of Asio are translated here; refused,
// reset and the like keep the system's words for the log.
#include <ifaddrs.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cstring>

#include "base/error.hpp"
#include "net/socket_transport.hpp"

namespace relais::net {
namespace {

using tcp = asio::ip::tcp;

tcp::endpoint to_asio(const endpoint& e) {
  if (e.address.is_v6()) return {asio::ip::address_v6(e.address.as_v6()), e.port};
  return {asio::ip::address_v4(e.address.as_v4()), e.port};
}

endpoint from_asio(const tcp::endpoint& e) {
  const auto address = e.address().is_v4() ? ip_address::v4(e.address().to_v4().to_uint())
                                           : ip_address::v6(e.address().to_v6().to_bytes());
  return {address, e.port()};
}

class system_acceptor final : public acceptor {
 public:
  explicit system_acceptor(tcp::acceptor listening) : acceptor_(std::move(listening)) {}

  task<result<accepted_connection>> accept() override {
    // The address comes with accept(2): a client that has reset meanwhile has none any more, which
    // is no failure to accept.
    tcp::endpoint remote;
    auto [ec, socket] = co_await acceptor_.async_accept(remote, nothrow);
    if (ec == asio::error::operation_aborted || !acceptor_.is_open()) co_return errc::cancelled;
    if (ec) co_return ec;
    error_code ignored;
    const auto local = socket.local_endpoint(ignored);
    socket.set_option(tcp::no_delay(true), ignored);
    accepted_connection made{nullptr, from_asio(remote), from_asio(local)};
    made.connection = make_socket_transport(std::move(socket));
    co_return made;
  }

  void close() noexcept override {
    error_code ignored;
    acceptor_.close(ignored);
  }

  endpoint local() const override {
    error_code ignored;
    return from_asio(acceptor_.local_endpoint(ignored));
  }

 private:
  tcp::acceptor acceptor_;
};

class system_network final : public network {
 public:
  system_network(asio::any_io_executor executor, net::alarms& alarms, const relais::clock& clock)
      : executor_(std::move(executor)), alarms_(alarms), clock_(clock) {}

  result<std::unique_ptr<acceptor>> listen(const endpoint& at, bool shared) override {
    using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    const auto where = to_asio(at);
    try {
      tcp::acceptor a(executor_, where.protocol());
      a.set_option(tcp::acceptor::reuse_address(true));
      if (shared) a.set_option(reuse_port(true));
      // [::] takes both families; an address of IPv6 only its own.
      if (at.address.is_v6()) a.set_option(asio::ip::v6_only(!at.address.is_unspecified()));
      a.bind(where);
      a.listen(asio::socket_base::max_listen_connections);
      return std::unique_ptr<acceptor>(std::make_unique<system_acceptor>(std::move(a)));
    } catch (const boost::system::system_error& e) {
      return e.code();
    }
  }

  task<result<std::unique_ptr<transport>>> connect(endpoint to, duration limit) override {
    tcp::socket socket(executor_);
    const auto where = to_asio(to);
    error_code ec;
    socket.open(where.protocol(), ec);
    if (ec) co_return ec;
    bool expired = false;
    const auto deadline = alarms_.make([&] {
      expired = true;
      error_code ignored;
      socket.cancel(ignored);
    });
    deadline->set(clock_.now() + limit);
    auto [connect_error] = co_await socket.async_connect(where, nothrow);
    if (expired) co_return errc::timeout;
    if (connect_error == asio::error::operation_aborted) co_return errc::cancelled;
    if (connect_error) co_return connect_error;
    socket.set_option(tcp::no_delay(true), ec);
    co_return make_socket_transport(std::move(socket));
  }

  bool is_own_address(const ip_address& address) const override {
    if (address.is_loopback()) return true;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return false;
    bool found = false;
    for (const auto* i = all; i != nullptr && !found; i = i->ifa_next) {
      if (i->ifa_addr == nullptr) continue;
      tcp::endpoint e;
      const auto family = i->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6) continue;
      const auto size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      std::memcpy(e.data(), i->ifa_addr, size);
      found = from_asio(e).address == address;
    }
    ::freeifaddrs(all);
    return found;
  }

 private:
  asio::any_io_executor executor_;
  net::alarms& alarms_;
  const relais::clock& clock_;
};

}  // namespace

std::unique_ptr<network> make_system_network(asio::any_io_executor executor, net::alarms& alarms,
                                             const relais::clock& clock) {
  return std::make_unique<system_network>(std::move(executor), alarms, clock);
}

}  // namespace relais::net
