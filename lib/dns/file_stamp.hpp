// Tells whether a file of the system's (/etc/resolv.conf, /etc/hosts) has changed since it was
// read.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace relais::dns {

/// All zero: there is no such file.
struct file_stamp {
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = 0, seconds = 0, nanoseconds = 0;
  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

inline file_stamp stamp_of(const std::string& file) noexcept {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return {};
  file_stamp stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.size = status.st_size;
  stamp.seconds = status.st_mtim.tv_sec;
  stamp.nanoseconds = status.st_mtim.tv_nsec;
  return stamp;
}

}  // namespace relais::dns
