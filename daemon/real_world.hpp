// The real world of the relay: threads with an io_context each, the system's clocks, network and
// DNS, the spool's threads, signals. Runs until a signal ends it.
#pragma once

#include "config/settings.hpp"
#include "daemon/exit_codes.hpp"

namespace relais::daemon {

/// Throws startup_error.
exit_code run(config::settings settings);

}  // namespace relais::daemon
