// A connected socket of any stream protocol (TCP, UNIX, a socket pair in tests) as a transport.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>

#include "net/runtime.hpp"

namespace relais::net {

std::unique_ptr<transport> make_socket_transport(asio::generic::stream_protocol::socket socket);

}  // namespace relais::net
