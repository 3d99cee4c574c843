#include "auth/watched_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace relais::auth {
namespace {

constexpr auto look_every = std::chrono::seconds(1);

struct descriptor {
  int number;
  ~descriptor() {
    if (number >= 0) ::close(number);
  }
};

std::string system_error(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

}  // namespace

file_text read_small_file(const std::string& path) {
  file_text read;
  const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status{};
  if (file.number < 0 || ::fstat(file.number, &status) != 0) {
    read.error = system_error("cannot be read");
    return read;
  }
  read.mode = status.st_mode & 07777;
  if (!S_ISREG(status.st_mode)) {
    read.error = "is no regular file";
    return read;
  }
  std::string text(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t n = 0;
  while (n <= largest_watched_file) {
    if (n == text.size()) text.resize(n + 4096);
    const auto got = ::read(file.number, text.data() + n, text.size() - n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      read.error = system_error("cannot be read");
      return read;
    }
    if (got == 0) break;
    n += static_cast<std::size_t>(got);
  }
  if (n > largest_watched_file) {
    read.error = "is larger than 16 MiB";
    return read;
  }
  text.resize(n);
  read.text = std::move(text);
  return read;
}

std::optional<file_text> watched_file::changed() {
  const auto now = time_.now();
  const bool first = !looked_;
  if (!first && now < *looked_ + look_every) return {};
  looked_ = now;
  const auto stamp = dns::stamp_of(path_);
  if (!first && stamp == seen_) return {};
  seen_ = stamp;
  return read_small_file(path_);
}

}  // namespace relais::auth
