// The real file system behind spool::disk. Everything is opened relative to a descriptor of the
// root directory and of one folder in it, never following a symbolic link, so nobody who can write
// elsewhere can lead the spool astray. Folder descriptors stay open: the kernel reports a failed
// write-back once to every descriptor that was open at the time, so a late opener could miss it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "base/error.hpp"
#include "spool/disk.hpp"

namespace relais::spool {
namespace {

error_code last_error() {
  // A link or something that is no file where we expect ours: somebody else's doing.
  if (errno == ELOOP || errno == EISDIR || errno == ENXIO) return errc::permission;
  return from_errno(errno);
}

class descriptor {
 public:
  explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int value() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

template <class Call>
auto uninterrupted(Call call) {
  auto value = call();
  while (value < 0 && errno == EINTR) value = call();
  return value;
}

/// What one pwritev(2) takes on Linux (UIO_MAXIOV).
constexpr std::size_t most_parts = 1024;

/// Behind what one call has done: `first` and the part that it leaves.
void skip(std::vector<iovec>& rest, std::size_t& first, std::size_t done) {
  while (first < rest.size() && done >= rest[first].iov_len) done -= rest[first++].iov_len;
  if (done == 0) return;
  rest[first].iov_base = static_cast<char*>(rest[first].iov_base) + done;
  rest[first].iov_len -= done;
}

class posix_file final : public file {
 public:
  explicit posix_file(descriptor fd) : fd_(std::move(fd)) {}

  error_code write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    std::vector<iovec> rest;
    for (const auto part : parts) {
      if (!part.empty()) rest.push_back({const_cast<char*>(part.data()), part.size()});
    }
    std::size_t first = 0;
    while (first < rest.size()) {
      const auto count = static_cast<int>(std::min<std::size_t>(rest.size() - first, most_parts));
      const auto written = uninterrupted(
          [&] { return ::pwritev(fd_.value(), &rest[first], count, static_cast<off_t>(offset)); });
      if (written < 0) return last_error();
      if (written == 0) return errc::io_error;
      offset += static_cast<std::uint64_t>(written);
      skip(rest, first, static_cast<std::size_t>(written));
    }
    return {};
  }

  using file::read_at;
  result<std::string> read_at(std::uint64_t offset, std::size_t length) override {
    // Never allocate for more than there is. Files only grow.
    if (const auto known = known_size_.load(); offset > known || length > known - offset) {
      const auto total = size();
      if (!total) return total.error();
      length = *total <= offset
                   ? 0
                   : static_cast<std::size_t>(std::min<std::uint64_t>(length, *total - offset));
    }
    std::string octets(length, '\0');
    std::size_t done = 0;
    while (done < length) {
      const auto got = uninterrupted([&] {
        return ::pread(fd_.value(), octets.data() + done, length - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return last_error();
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    octets.resize(done);
    return octets;
  }

  result<std::size_t> read_at(std::uint64_t offset,
                              std::span<const std::span<char>> parts) override {
    std::vector<iovec> rest;
    for (const auto part : parts)
      if (!part.empty()) rest.push_back({part.data(), part.size()});
    std::size_t done = 0;
    for (std::size_t first = 0; first < rest.size();) {
      const auto count = static_cast<int>(std::min<std::size_t>(rest.size() - first, most_parts));
      const auto got = uninterrupted([&] {
        return ::preadv(fd_.value(), &rest[first], count, static_cast<off_t>(offset + done));
      });
      if (got < 0) return last_error();
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
      skip(rest, first, static_cast<std::size_t>(got));
    }
    return done;
  }

  result<std::uint64_t> size() override {
    struct statx status{};
    if (!look(STATX_SIZE, status)) return last_error();
    known_size_ = status.stx_size;
    return static_cast<std::uint64_t>(status.stx_size);
  }

  error_code allocate(std::uint64_t length) override {
    if (uninterrupted([&] { return ::fallocate(fd_.value(), 0, 0, static_cast<off_t>(length)); }) ==
        0) {
      return {};
    }
    if (errno != EOPNOTSUPP) return last_error();
    // A file system without it: the length at least, so that appends do not change it.
    return uninterrupted([&] { return ::ftruncate(fd_.value(), static_cast<off_t>(length)); }) == 0
               ? error_code{}
               : last_error();
  }

  bool has_name() override {
    struct statx status{};
    return look(STATX_NLINK, status) && status.stx_nlink > 0;
  }

  error_code sync() override {
    return uninterrupted([&] { return ::fdatasync(fd_.value()); }) == 0 ? error_code{}
                                                                        : last_error();
  }

 private:
  /// Never fstat(2): Linux 6.13 and later give the next write to a file a finer time stamp once
  /// somebody has looked at the old one, and each fdatasync(2) behind that writes the inode, too.
  bool look(unsigned mask, struct statx& status) const noexcept {
    return ::statx(fd_.value(), "", AT_EMPTY_PATH, mask, &status) == 0;
  }

  descriptor fd_;
  std::atomic<std::uint64_t> known_size_{0};
};

class posix_disk final : public disk {
 public:
  posix_disk(std::string name, descriptor root, descriptor lock)
      : name_(std::move(name)), root_(std::move(root)), lock_(std::move(lock)) {}

  result<std::unique_ptr<file>> open(std::string_view name, open_mode mode) override {
    const auto [folder, leaf] = locate(name);
    if (folder < 0) return last_error();
    // O_NONBLOCK: a FIFO in our place must not make the daemon hang; regular files ignore it.
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    flags |= mode == open_mode::read ? O_RDONLY : O_RDWR;
    if (mode == open_mode::create_new) flags |= O_CREAT | O_EXCL;
    descriptor fd(uninterrupted([&] { return ::openat(folder, leaf.c_str(), flags, 0600); }));
    if (!fd) return last_error();
    struct statx status{};
    if (::statx(fd.value(), "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return last_error();
    if (!S_ISREG(status.stx_mode)) return make_error_code(errc::permission);
    return std::unique_ptr<file>(std::make_unique<posix_file>(std::move(fd)));
  }

  error_code make_directory(std::string_view name) override {
    const auto [folder, leaf] = locate(name);
    if (folder < 0) return last_error();
    if (::mkdirat(folder, leaf.c_str(), 0700) != 0 && errno != EEXIST) return last_error();
    return directory(name) < 0 ? last_error() : error_code{};
  }

  result<std::vector<std::string>> list(std::string_view name) override {
    const int folder = directory(name);
    if (folder < 0) return last_error();
    descriptor fd(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return last_error();
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.value()), ::closedir);
    if (!stream) return last_error();
    fd.release();
    std::vector<std::string> names;
    for (errno = 0; const auto* entry = ::readdir(stream.get()); errno = 0) {
      const std::string_view entry_name = entry->d_name;
      if (entry_name != "." && entry_name != "..") names.emplace_back(entry_name);
    }
    if (errno != 0) return last_error();
    return names;
  }

  error_code rename(std::string_view from, std::string_view to) override {
    const auto [from_folder, from_leaf] = locate(from);
    if (from_folder < 0) return last_error();
    const auto [to_folder, to_leaf] = locate(to);
    if (to_folder < 0) return last_error();
    return ::renameat(from_folder, from_leaf.c_str(), to_folder, to_leaf.c_str()) == 0
               ? error_code{}
               : last_error();
  }

  error_code remove(std::string_view name) override {
    const auto [folder, leaf] = locate(name);
    if (folder < 0) return last_error();
    return ::unlinkat(folder, leaf.c_str(), 0) == 0 ? error_code{} : last_error();
  }

  error_code sync_directory(std::string_view name) override {
    const int folder = directory(name);
    if (folder < 0) return last_error();
    return uninterrupted([&] { return ::fsync(folder); }) == 0 ? error_code{} : last_error();
  }

  result<free_space> space() override {
    struct statvfs status{};
    if (uninterrupted([&] { return ::fstatvfs(root_.value(), &status); }) != 0) return last_error();
    // Some file systems (btrfs) have no fixed number of inodes and say 0.
    return free_space{static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
                      status.f_files == 0 ? UINT64_MAX : status.f_favail};
  }

  error_code verify() override {
    struct stat ours{};
    struct stat named{};
    if (::fstat(root_.value(), &ours) != 0) return last_error();
    // Removed, renamed away, or something else mounted over it.
    if (::stat(name_.c_str(), &named) != 0 || ours.st_nlink == 0 || ours.st_dev != named.st_dev ||
        ours.st_ino != named.st_ino) {
      return errc::not_found;
    }
    return {};
  }

 private:
  struct place {
    int folder;  ///< -1: errno says why
    std::string leaf;
  };

  place locate(std::string_view name) {
    const auto slash = name.rfind('/');
    if (slash == std::string_view::npos) return {root_.value(), std::string(name)};
    return {directory(name.substr(0, slash)), std::string(name.substr(slash + 1))};
  }

  /// The descriptor of a folder, opened once, component by component. "." is the root.
  int directory(std::string_view name) {
    if (name == ".") return root_.value();
    const std::lock_guard lock(mutex_);
    if (const auto known = folders_.find(name); known != folders_.end()) {
      return known->second.value();
    }
    descriptor opened;
    int at = root_.value();
    for (auto rest = name; !rest.empty();) {
      const auto slash = rest.find('/');
      const std::string component(rest.substr(0, slash));
      descriptor next(
          ::openat(at, component.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) return -1;
      opened = std::move(next);
      at = opened.value();
      rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    }
    if (!opened) {
      errno = ENOENT;
      return -1;
    }
    return folders_.emplace(std::string(name), std::move(opened)).first->second.value();
  }

  std::string name_;
  descriptor root_;
  descriptor lock_;  // the lock lives as long as this descriptor
  std::mutex mutex_;
  std::map<std::string, descriptor, std::less<>> folders_;
};

/// Opens the root, or creates it and makes its name durable.
result<descriptor> open_root(const std::string& root) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  descriptor fd(::open(root.c_str(), flags));
  if (!fd && errno == ENOENT) {
    if (::mkdir(root.c_str(), 0700) != 0) return last_error();
    const auto slash = root.rfind('/');
    const auto parent = slash == std::string::npos ? "." : slash == 0 ? "/" : root.substr(0, slash);
    const descriptor above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!above || ::fsync(above.value()) != 0) return last_error();
    fd = descriptor(::open(root.c_str(), flags));
  }
  // A symbolic link gives ENOTDIR here, too, because of O_DIRECTORY.
  if (!fd) return errno == ENOTDIR ? make_error_code(errc::permission) : last_error();
  return fd;
}

}  // namespace

result<std::size_t> file::read_at(std::uint64_t offset, std::span<const std::span<char>> parts) {
  std::size_t done = 0;
  for (const auto part : parts) {
    const auto octets = read_at(offset + done, part.size());
    if (!octets) return octets.error();
    std::ranges::copy(*octets, part.begin());
    done += octets->size();
    if (octets->size() < part.size()) break;
  }
  return done;
}

result<std::unique_ptr<disk>> open_disk(const std::string& root) {
  // With a slash behind it, O_NOFOLLOW would not apply to the root itself.
  std::string name = root;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  if (name.empty() || name.find('\0') != std::string::npos) return make_error_code(errc::not_found);

  auto opened = open_root(name);
  if (!opened) return opened.error();
  struct stat status{};
  if (::fstat(opened->value(), &status) != 0) return last_error();
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    return make_error_code(errc::permission);
  }
  descriptor lock(::openat(opened->value(), "lock",
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  // To look at a spool on a file system that is read-only.
  if (!lock && errno == EROFS) {
    lock = descriptor(
        ::openat(opened->value(), "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  }
  if (!lock) return last_error();
  if (uninterrupted([&] { return ::flock(lock.value(), LOCK_EX | LOCK_NB); }) != 0) {
    return errno == EWOULDBLOCK ? make_error_code(errc::busy) : last_error();
  }
  return std::unique_ptr<disk>(
      std::make_unique<posix_disk>(name, std::move(*opened), std::move(lock)));
}

bool is_disk_in_use(const std::string& root) {
  const descriptor lock(
      ::open((root + "/lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  return lock && uninterrupted([&] { return ::flock(lock.value(), LOCK_SH | LOCK_NB); }) != 0 &&
         errno == EWOULDBLOCK;
}

}  // namespace relais::spool
