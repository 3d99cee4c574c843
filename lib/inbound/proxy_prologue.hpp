// Reads the PROXY header that a load balancer puts before everything else, so that the session is
// that of the true client. Not here: its syntax (net/proxy_protocol).
#pragma once

#include "net/proxy_protocol.hpp"
#include "net/stream.hpp"

namespace relais::inbound {

/// The client behind the balancer; `balancer` itself where the header says LOCAL or UNKNOWN. What
/// the client has sent already is given back to the stream. Errors: syntax, peer_closed, timeout.
net::task<result<endpoint>> read_proxy_header(net::stream& from, const endpoint& balancer,
                                              duration limit);

}  // namespace relais::inbound
