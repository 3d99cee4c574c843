#include "net/descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace relais::net {
namespace {

// With an unlimited number (RLIM_INFINITY) sums would wrap.
constexpr std::uint64_t most = std::uint64_t{1} << 31;

}  // namespace

std::uint64_t descriptor_limit() noexcept {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return std::min<std::uint64_t>(limit.rlim_cur, most);
}

std::uint64_t raise_descriptor_limit() noexcept {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return descriptor_limit();
}

std::uint64_t lowest_free_descriptor() noexcept {
  // Any open one will do to be copied. If this one is not open, there is a free one already.
  const int copy = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return errno == EBADF ? STDERR_FILENO : descriptor_limit();
  ::close(copy);
  return static_cast<std::uint64_t>(copy);
}

descriptor_reserve::descriptor_reserve(std::uint64_t limit, std::uint64_t reserved, measure in_use)
    : usable_(limit > reserved ? limit - reserved : 0), in_use_(std::move(in_use)) {}

bool descriptor_reserve::has_room() const {
  return connections_ < usable_ && in_use_() < usable_;
}

}  // namespace relais::net
