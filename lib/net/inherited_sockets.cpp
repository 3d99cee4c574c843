#include "net/inherited_sockets.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"

namespace relais::net {
namespace {

constexpr int first_descriptor = 3;
constexpr std::uint64_t most = 1024;  // nonsense beyond that

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::vector<inherited_socket> inherited_sockets(std::string_view pid, std::string_view fds,
                                                std::string_view names, ::pid_t self) {
  const auto meant = parse_number(pid);
  const auto count = parse_number(fds);
  if (!meant || *meant != static_cast<std::uint64_t>(self) || !count || *count > most) return {};
  const auto given = names.empty() ? std::vector<std::string_view>() : split(names, ':');
  if (!given.empty() && given.size() != *count) return {};
  std::vector<inherited_socket> all;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto name = given.empty() ? std::string_view("unknown") : given[i];
    all.push_back({std::string(name), first_descriptor + static_cast<int>(i)});
  }
  return all;
}

std::vector<inherited_socket> inherited_sockets() {
  return inherited_sockets(variable("LISTEN_PID"), variable("LISTEN_FDS"),
                           variable("LISTEN_FDNAMES"), ::getpid());
}

}  // namespace relais::net
