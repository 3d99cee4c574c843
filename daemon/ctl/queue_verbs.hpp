// relaisctl queue ...: what each verb does, with its output. Arguments are checked in
// relaisctl.cpp.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/queue_access.hpp"

namespace relais::ctl {

/// Which relay, and how results are shown.
struct context {
  std::string directory;       ///< of the spool
  std::string control_socket;  ///< "" = only the spool is worked on
  config::settings settings;
  bool json = false;
};

/// Messages, as they were asked for.
struct selection {
  std::vector<std::string> ids;  ///< as typed; "-" = one in each line of standard input
  bool all = false;
  criteria which;          ///< the others
  bool confirmed = false;  ///< --yes
  bool dry_run = false;
};

/// Each throws failure.
exit_code list(const context& where, const selection& which);
exit_code show(const context& where, const std::string& id);
exit_code cat(const context& where, const std::string& id);
exit_code apply(const context& where, delivery::queue_verb verb, const selection& which,
                const std::string& next_hop);

}  // namespace relais::ctl
