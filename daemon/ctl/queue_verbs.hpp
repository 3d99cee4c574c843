// relaisctl queue ...: what each verb does, with its output. Arguments are checked in
// relaisctl.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/ctl/failure.hpp"

namespace relais::ctl {

/// Which spool, and how results are shown.
struct context {
  std::string directory;
  bool json = false;
};

/// Ids as typed, or all.
struct selection {
  std::vector<std::string> ids;
  bool all = false;
  bool confirmed = false;  ///< --yes
  bool dry_run = false;
};

enum class change : std::uint8_t { remove, hold, release };

/// Each throws failure.
exit_code list(const context& where);
exit_code show(const context& where, const std::string& id);
exit_code cat(const context& where, const std::string& id);
exit_code apply(const context& where, change what, const selection& which);

}  // namespace relais::ctl
