// A directory of our own outside of the spool, into which whole files are put: each appears under
// its name when it is complete and synced, or not at all. Files 0600, directory 0700; nothing that
// is there is overwritten, and no symbolic link is followed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace relais::ctl {

class export_directory {
 public:
  /// Makes the directory, or takes one that is empty. Throws failure.
  explicit export_directory(const std::string& name);
  ~export_directory();
  export_directory(const export_directory&) = delete;
  export_directory& operator=(const export_directory&) = delete;

  /// Begins a file; one at a time. Throws failure, as all of these.
  void begin(const std::string& name);
  void write(std::string_view octets);
  /// Syncs it and gives it its name.
  void finish();
  /// Takes back what was begun.
  void abandon() noexcept;
  /// Makes the names durable.
  void sync();

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::string name_;  ///< of the file that was begun
  int directory_ = -1;
  int file_ = -1;
};

}  // namespace relais::ctl
