#include "daemon/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "daemon/exit_codes.hpp"

namespace relais::daemon {

void drop_privileges(const std::string& user) {
  if (user.empty() || ::geteuid() != 0) return;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) throw startup_error(exit_code::config, "user: there is no user " + user);
  // Groups first: without root they could not be changed any more.
  const bool dropped = ::initgroups(user.c_str(), entry->pw_gid) == 0 &&
                       ::setgid(entry->pw_gid) == 0 && ::setuid(entry->pw_uid) == 0;
  if (!dropped || (entry->pw_uid != 0 && ::setuid(0) == 0)) {
    throw startup_error(exit_code::os_error, "cannot become the user " + user);
  }
}

}  // namespace relais::daemon
