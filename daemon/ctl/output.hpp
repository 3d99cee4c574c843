// Standard output and error of relaisctl. What cannot be written is a failure, never silence: the
// output of `cat` and `list --json` is somebody's data.
#pragma once

#include <string_view>

namespace relais::ctl {

/// To standard output, as it is. Throws failure.
void put(std::string_view octets);
/// Throws failure when something of the output did not get through.
void finish_output();
/// One line to standard error, "relaisctl: " in front, what is not printable escaped.
void warn(std::string_view sentence) noexcept;

}  // namespace relais::ctl
