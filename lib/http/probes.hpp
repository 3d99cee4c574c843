// What the probes of container platforms and monitoring ask, as a pure function from request to
// response: is the daemon alive, may mail be sent to it. Metrics and the operator's API join here
// later. Not here: sockets (http/server.hpp), and how the state is known (daemon/).
#pragma once

#include <string>
#include <string_view>

namespace relais::http {

/// Taken anew for each request.
struct relay_state {
  bool ready = false;  ///< accepting mail: not draining, and the spool takes it
  std::string reason;  ///< one sentence when not ready
};

struct response {
  unsigned status = 200;
  std::string body;  ///< text/plain, ends with a line feed
};

/// /healthz (also /livez, /healthz/live): 200 as long as the daemon answers at all. /readyz (also
/// /healthz/ready) and /startupz: 200 when mail is accepted, else 503 with the reason. A next hop
/// that is down changes neither: the queue is there for that.
response answer(std::string_view method, std::string_view target, const relay_state& state);

}  // namespace relais::http
