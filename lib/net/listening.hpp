// Listening sockets of the operating system, one function per kind of listen_address. Opening them
// never waits. Addresses of sockets as our own values: what is no internet address, a UNIX socket's
// end, is shown as loopback with port 0.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>

#include "net/runtime.hpp"

namespace relais::net {

using socket_endpoint = asio::generic::stream_protocol::endpoint;

socket_endpoint to_asio(const endpoint& e);
endpoint from_asio(const socket_endpoint& e);

/// `shared`: with SO_REUSEPORT. Errors are the system's.
result<std::unique_ptr<acceptor>> listen_at(const asio::any_io_executor& executor,
                                            const endpoint& at, bool shared);
/// Both families with one socket; IPv4 alone where the system has no IPv6.
result<std::unique_ptr<acceptor>> listen_everywhere(const asio::any_io_executor& executor,
                                                    std::uint16_t port, bool shared);
/// Makes the socket `path` with these permissions; its name goes when the acceptor is closed. One
/// that is left over from another time is replaced; errors: address_in_use if somebody listens
/// there, or the name is not that of a socket.
result<std::unique_ptr<acceptor>> listen_locally(const asio::any_io_executor& executor,
                                                 const std::string& path, unsigned mode);
/// A copy of the socket that systemd has passed under that name: every worker may have one. Errors:
/// errc::not_found; errc::exists if several have the name; invalid_argument if it does not listen.
result<std::unique_ptr<acceptor>> listen_inherited(const asio::any_io_executor& executor,
                                                   const std::string& name);

}  // namespace relais::net
