// The two kinds of files that the configuration consists of: itself, and secrets that it points to.
// Both are small; everything that could block or grow without bound is refused with a sentence.
#pragma once

#include <string>

namespace relais::config {

struct file_content {
  std::string text;
  std::string fault;  ///< empty = good; never holds content
};

/// At most 1 MiB. Pipes are fine ("--config /dev/stdin").
file_content read_configuration(const std::string& path);
/// One line without its line end; a regular file that others on the system cannot read.
file_content read_secret(const std::string& path);

}  // namespace relais::config
