#include "daemon/ctl/privileges.hpp"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "daemon/ctl/failure.hpp"

namespace relais::ctl {

bool become_owner_of(const std::string& directory) {
  struct stat status{};
  if (::lstat(directory.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    const std::string why = std::strerror(errno);
    throw failure(exit_code_of(from_errno(errno)), directory + ": " + why);
  }
  if (!S_ISDIR(status.st_mode)) return false;
  if (::geteuid() != 0 || status.st_uid == 0) return true;
  // Groups first: without root they could not be changed any more.
  if (::setgroups(0, nullptr) != 0 || ::setegid(status.st_gid) != 0 ||
      ::seteuid(status.st_uid) != 0) {
    throw failure(exit_code::os_error, "cannot become the owner of " + directory);
  }
  return true;
}

as_invoker::as_invoker() {
  ::setfsuid(::getuid());
  ::setfsgid(::getgid());
}

as_invoker::~as_invoker() {
  ::setfsgid(::getegid());
  ::setfsuid(::geteuid());
}

}  // namespace relais::ctl
