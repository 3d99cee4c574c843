// PAM as a backend for passwords: authentication and account management of one service, on a thread
// that may block. An unprivileged daemon can only use modules that need no privilege themselves;
// pam_unix lets it check nobody but its own user.
#pragma once

#include <memory>
#include <string>

#include "auth/backend.hpp"
#include "auth/blocking.hpp"

namespace relais::auth {

/// `directory`: of the service files; "" = the system's. `gate` outlives the backend.
std::unique_ptr<password_backend> make_pam_backend(std::string service, blocking_gate& gate,
                                                   std::string directory = "");

}  // namespace relais::auth
