// How one attempt went, as far as the log, the schedule and a report need to know it.
#pragma once

#include <string>

#include "base/clock.hpp"

namespace relais::delivery {

struct attempt {
  std::string relay = "none";  ///< "mx.example[192.0.2.1]:25"
  std::string remote_mta;      ///< host name, "" if none was reached
  std::string tls;
  bool peer_reports = false;  ///< offers DSN: what it is asked to tell is its matter then
  bool is_untried = false;    ///< its destination is down, paused...: no attempt, others made it
  unsigned connection_use = 1;
  steady_time began{};      ///< when the job was taken
  steady_time connected{};  ///< when its connection was ready

  attempt() = default;
};

}  // namespace relais::delivery
