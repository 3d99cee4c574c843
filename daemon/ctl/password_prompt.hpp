// A new password from the person at the terminal, twice and without echo, or from a program: the
// first line of standard input.
#pragma once

#include "auth/secret.hpp"

namespace relais::ctl {

/// Throws failure if there is none, or if it is none that AUTH could carry.
auth::secret new_password();

}  // namespace relais::ctl
