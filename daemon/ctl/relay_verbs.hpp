// relaisctl status, destinations, destination ..., queue flush: what only a running daemon can tell
// or do. Each throws failure; unavailable if it does not run.
#pragma once

#include <string>

#include "daemon/ctl/queue_verbs.hpp"

namespace relais::ctl {

/// trouble: no mail is taken, or the oldest message is older than that.
exit_code status(const context& where, duration oldest);
exit_code destinations(const context& where, bool closed_only);
/// `verb`: "suspend", "resume", "retry".
exit_code order_destination(const context& where, const std::string& verb,
                            const std::string& destination);
exit_code flush(const context& where);

}  // namespace relais::ctl
