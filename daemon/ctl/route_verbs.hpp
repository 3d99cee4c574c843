// The verbs of `relaisctl route`: which way mail would take, without sending any. They need the
// configuration and the DNS, not the daemon.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "daemon/ctl/failure.hpp"

namespace relais::ctl {

/// With the path of the configuration, and whether results are wanted as JSON.
using route_action = std::function<exit_code(const std::string& config, bool json)>;

/// Adds `test` to the group `route`; `chosen` is set when it was given, and outlives the group.
void add_route_verbs(CLI::App& route, route_action& chosen);

}  // namespace relais::ctl
