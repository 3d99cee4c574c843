#include "config/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "base/text.hpp"

namespace relais::config {
namespace {

constexpr std::size_t largest_configuration = 1u << 20;
constexpr std::size_t largest_secret = 4096;

std::string system_text(int number) {
  return std::generic_category().message(number);
}

class descriptor {
 public:
  descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int number() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Reads to the end, or until more than `limit` octets came.
file_content read_all(int fd, std::size_t limit) {
  file_content content;
  std::array<char, 16384> block;
  while (content.text.size() <= limit) {
    const auto n = ::read(fd, block.data(), block.size());
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      content.fault = "cannot be read: " + system_text(errno);
      break;
    }
    content.text.append(block.data(), static_cast<std::size_t>(n));
  }
  if (content.text.size() > limit) {
    content.fault = "is too large: more than " + std::to_string(limit) + " bytes";
  }
  if (!content.fault.empty()) content.text.clear();
  return content;
}

file_content failed(std::string fault) {
  return {{}, std::move(fault)};
}

}  // namespace

file_content read_configuration(const std::string& path) {
  const descriptor file(path, O_RDONLY);
  if (file.number() < 0) return failed("cannot be opened: " + system_text(errno));
  struct stat status{};
  if (::fstat(file.number(), &status) != 0) return failed("cannot be read: " + system_text(errno));
  if (S_ISDIR(status.st_mode)) return failed("is a directory, not a file");
  return read_all(file.number(), largest_configuration);
}

file_content read_secret(const std::string& path) {
  // Non-blocking, so that opening a pipe cannot hang the start.
  const descriptor file(path, O_RDONLY | O_NONBLOCK);
  if (file.number() < 0) return failed("cannot be opened: " + system_text(errno));
  struct stat status{};
  if (::fstat(file.number(), &status) != 0) return failed("cannot be read: " + system_text(errno));
  if (!S_ISREG(status.st_mode)) return failed("is not a regular file");
  // Secrets of container runtimes are readable by all and guarded by their mount; one that anybody
  // may replace is no secret of ours.
  if ((status.st_mode & S_IWOTH) != 0) {
    return failed("can be written by every user of this system: chmod o-w it");
  }
  auto content = read_all(file.number(), largest_secret);
  if (!content.fault.empty()) return content;
  auto& text = content.text;
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return failed("is empty");
  if (std::ranges::any_of(text, is_control)) {
    return failed("holds more than one line, or control characters");
  }
  return content;
}

}  // namespace relais::config
