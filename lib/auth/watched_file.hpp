// A small file of the operator's that is read again when it has changed: looked at when it is used,
// at most once a second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "dns/file_stamp.hpp"

namespace relais::auth {

constexpr std::size_t largest_watched_file = 16 << 20;

struct file_text {
  std::string text;
  std::string error;  ///< why there is no text: "cannot be read: Permission denied"; "" = read
  unsigned mode = 0;  ///< its permissions
};

/// At most largest_watched_file octets; a larger one is an error.
file_text read_small_file(const std::string& path);

class watched_file {
 public:
  /// `time` outlives this object.
  watched_file(std::string path, const clock& time) : path_(std::move(path)), time_(time) {}
  /// What the file holds, when that has to be read (again); none: nothing new.
  std::optional<file_text> changed();
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  const clock& time_;
  std::optional<steady_time> looked_;
  dns::file_stamp seen_;
};

}  // namespace relais::auth
