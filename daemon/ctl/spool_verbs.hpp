// relaisctl spool ...: the spool as a whole.
#pragma once

#include <string>

#include "daemon/ctl/queue_verbs.hpp"

namespace relais::ctl {

/// Verifies every checksum and changes nothing: data_error if something is damaged. Throws failure.
exit_code check(const context& where);

/// Writes ID.eml (the content as stored) and ID.json (envelope and states) for each message into
/// `target`, which is new or empty. Damaged messages are named and left out: data_error. Throws
/// failure.
exit_code export_to(const context& where, const std::string& target);

}  // namespace relais::ctl
