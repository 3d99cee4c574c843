// The network of the operating system: TCP and UNIX sockets by Asio. Errors of Asio are translated
// here; refused, reset and the like keep the system's words for the log.
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "base/error.hpp"
#include "net/listening.hpp"
#include "net/socket_transport.hpp"

namespace relais::net {
namespace {

class system_network final : public network {
 public:
  system_network(asio::any_io_executor executor, net::alarms& alarms, const relais::clock& clock)
      : executor_(std::move(executor)), alarms_(alarms), clock_(clock) {}

  result<std::unique_ptr<acceptor>> listen(const endpoint& at, bool shared) override {
    return listen_at(executor_, at, shared);
  }

  result<std::unique_ptr<acceptor>> listen(const listen_address& at, bool shared,
                                           unsigned mode) override {
    switch (at.is) {
      case listen_address::kind::inet: return listen_at(executor_, at.at, shared);
      case listen_address::kind::any: return listen_everywhere(executor_, at.at.port, shared);
      case listen_address::kind::local: return listen_locally(executor_, at.name, mode);
      case listen_address::kind::inherited: return listen_inherited(executor_, at.name);
    }
    return make_error_code(boost::system::errc::operation_not_supported);
  }

  task<result<std::unique_ptr<transport>>> connect(endpoint to, duration limit,
                                                   std::optional<ip_address> source) override {
    const auto where = to_asio(to);
    std::optional<socket_endpoint> from;
    if (source) from = to_asio(endpoint{*source, 0});
    co_return co_await connect_to(where, limit, from);
  }

  task<result<std::unique_ptr<transport>>> connect_local(std::string path,
                                                         duration limit) override {
    if (path.size() >= sizeof(::sockaddr_un::sun_path)) {
      co_return make_error_code(boost::system::errc::filename_too_long);
    }
    const socket_endpoint where = asio::local::stream_protocol::endpoint(path);
    const std::optional<socket_endpoint> from;
    co_return co_await connect_to(where, limit, from);
  }

  bool is_own_address(const ip_address& address) const override {
    if (address.is_loopback()) return true;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return false;
    bool found = false;
    for (const auto* i = all; i != nullptr && !found; i = i->ifa_next) {
      if (i->ifa_addr == nullptr) continue;
      const auto family = i->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6) continue;
      const auto size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      found = from_asio(socket_endpoint(i->ifa_addr, size)).address == address;
    }
    ::freeifaddrs(all);
    return found;
  }

 private:
  task<result<std::unique_ptr<transport>>> connect_to(socket_endpoint where, duration limit,
                                                      std::optional<socket_endpoint> from) {
    asio::generic::stream_protocol::socket socket(executor_);
    error_code ec;
    socket.open(where.protocol(), ec);
    if (ec) co_return ec;
    if (from) {
      // The port is chosen at connect(2): one source has 64 thousand of them per peer, not in all.
      const int yes = 1;
      ::setsockopt(socket.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
      socket.bind(*from, ec);
      if (ec) co_return ec;
    }
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
    socket.set_option(asio::ip::tcp::no_delay(true), ec);  // none for UNIX sockets
    co_return make_socket_transport(std::move(socket));
  }

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
