// Giving up root after the listeners are bound.
#pragma once

#include <string>

namespace relais::daemon {

/// root becomes `user` with its groups, for good. Does nothing for "" or when not root; throws
/// startup_error.
void drop_privileges(const std::string& user);

}  // namespace relais::daemon
