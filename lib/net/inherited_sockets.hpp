// The sockets that systemd passes to a service (sd_listen_fds(3)): descriptors from 3 on, their
// number and names in the environment. Only who is where; using them is listening.cpp's work.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace relais::net {

struct inherited_socket {
  std::string name;
  int descriptor = -1;
  friend bool operator==(const inherited_socket&, const inherited_socket&) = default;
};

/// From the values of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES ("" = not set). None if they are
/// meant for another process or make no sense. Without names all are called "unknown".
std::vector<inherited_socket> inherited_sockets(std::string_view pid, std::string_view fds,
                                                std::string_view names, ::pid_t self);

/// Those of this process.
std::vector<inherited_socket> inherited_sockets();

}  // namespace relais::net
