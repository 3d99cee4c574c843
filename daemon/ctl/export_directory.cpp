#include "daemon/ctl/export_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/privileges.hpp"

namespace relais::ctl {
namespace {

std::string part_of(const std::string& name) {
  return "." + name + ".part";
}

bool is_empty(int directory) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy),
                                                   ::closedir);
  if (!stream) return false;
  while (const auto* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return false;
  }
  return true;
}

}  // namespace

export_directory::export_directory(const std::string& name) : path_(name) {
  // With a slash behind it, O_NOFOLLOW would not apply.
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
  const as_invoker rights;
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) fail(path_);
  directory_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory_ < 0) fail(path_);
  if (is_empty(directory_)) return;
  ::close(directory_);
  throw failure(exit_code::cannot_create, path_ + " is not empty");
}

export_directory::~export_directory() {
  abandon();
  ::close(directory_);
}

void export_directory::begin(const std::string& name) {
  const as_invoker rights;
  name_ = name;
  file_ = ::openat(directory_, part_of(name).c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file_ < 0) fail(path_ + "/" + name);
}

void export_directory::write(std::string_view octets) {
  while (!octets.empty()) {
    const auto written = ::write(file_, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(path_ + "/" + name_);
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
}

void export_directory::finish() {
  const as_invoker rights;
  if (::fsync(file_) != 0) fail(path_ + "/" + name_);
  ::close(file_);
  file_ = -1;
  if (::renameat(directory_, part_of(name_).c_str(), directory_, name_.c_str()) != 0) {
    fail(path_ + "/" + name_);
  }
}

void export_directory::abandon() noexcept {
  if (file_ < 0) return;
  const as_invoker rights;
  ::close(file_);
  file_ = -1;
  ::unlinkat(directory_, part_of(name_).c_str(), 0);
}

void export_directory::sync() {
  if (::fsync(directory_) != 0) fail(path_);
}

void export_directory::fail(const std::string& what) const {
  const int number = errno;
  const bool denied = number == EACCES || number == EPERM;
  const bool is_directory = file_ < 0 && name_.empty();
  const auto code = denied         ? exit_code::no_permission
                    : is_directory ? exit_code::cannot_create
                                   : exit_code::io_error;
  throw failure(code, what + ": " + std::strerror(number));
}

}  // namespace relais::ctl
