// The listeners of the configuration, bound: for each worker an acceptor of its own where the kind
// of address allows it. Done first, while the process may still be root.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/event.hpp"
#include "config/settings.hpp"
#include "net/runtime.hpp"

namespace relais::daemon {

struct bound_listener {
  std::size_t worker;
  std::size_t listener;  ///< of settings.listeners
  std::unique_ptr<net::acceptor> acceptor;
};

/// `networks`: one for each worker. Throws startup_error with the address.
std::vector<bound_listener> bind_listeners(const config::settings& settings,
                                           const std::vector<net::network*>& networks,
                                           event_sink& log);

/// Of settings.http; null if there is none.
std::unique_ptr<net::acceptor> bind_http(const config::settings& settings, net::network& network);

}  // namespace relais::daemon
