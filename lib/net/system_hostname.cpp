#include "net/system_hostname.hpp"

#include <netdb.h>
#include <unistd.h>

#include <string_view>

namespace relais::net {

std::string system_hostname() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::string full = name;
  if (full.find('.') == std::string::npos && ::getaddrinfo(name, nullptr, &hints, &found) == 0) {
    if (found->ai_canonname != nullptr &&
        std::string_view(found->ai_canonname).find('.') != std::string_view::npos) {
      full = found->ai_canonname;
    }
    ::freeaddrinfo(found);
  }
  return full;
}

}  // namespace relais::net
