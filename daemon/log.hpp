// The text log: events as lines on stderr through spdlog, in the shape "relais/smtpd[123]: ...".
#pragma once

#include <memory>

#include "base/event.hpp"
#include "config/settings.hpp"

namespace relais::daemon {

/// Thread-safe.
std::unique_ptr<event_sink> make_text_log(const config::log_settings& settings);

}  // namespace relais::daemon
