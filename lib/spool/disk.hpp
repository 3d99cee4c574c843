// The disk as the spool sees it: the injected interface behind which the real file system and the
// simulated disk (tests/sim: un-synced writes vanish at a crash, torn writes, ENOSPC, EIO) stand.
// Names are relative to the spool's root directory, with '/' between folders. Every call may block;
// it is made on the spool's own threads only (committer, readers), but for construction and
// recovery. Symbolic links are never followed; files are created 0600, directories 0700.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace relais::spool {

class file {
 public:
  virtual ~file() = default;
  /// Writes all octets at that offset, or fails; after a failure the file is not to be trusted.
  virtual error_code write_at(std::uint64_t offset, std::span<const std::string_view> parts) = 0;
  /// Reads up to `length` octets; fewer only at the end of the file.
  virtual result<std::string> read_at(std::uint64_t offset, std::size_t length) = 0;
  /// The same into buffers that are there, one after the other; how many octets there were.
  virtual result<std::size_t> read_at(std::uint64_t offset, std::span<const std::span<char>> parts);
  virtual result<std::uint64_t> size() = 0;
  /// Reserves room for octets up to `length` and makes the file that long, so that writing below it
  /// needs no space any more. Errors: no_space...
  virtual error_code allocate(std::uint64_t length) = 0;
  /// False: the name of the file is gone; what is written to it will vanish.
  virtual bool has_name() = 0;
  /// fdatasync(2). A failure is final for the file: the kernel may have dropped the pages, so it is
  /// never called a second time in the hope of success.
  virtual error_code sync() = 0;
};

enum class open_mode : std::uint8_t { read, create_new, read_write };

struct free_space {
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
};

class disk {
 public:
  virtual ~disk() = default;
  virtual result<std::unique_ptr<file>> open(std::string_view name, open_mode mode) = 0;
  /// Creates the directory if it is missing.
  virtual error_code make_directory(std::string_view name) = 0;
  /// Names in a directory, without "." and "..", in no order.
  virtual result<std::vector<std::string>> list(std::string_view directory) = 0;
  virtual error_code rename(std::string_view from, std::string_view to) = 0;
  virtual error_code remove(std::string_view name) = 0;
  /// Makes creations, renames and removals in that directory durable (fsync(2) of the directory).
  virtual error_code sync_directory(std::string_view name) = 0;
  virtual result<free_space> space() = 0;
  /// Whether the directory that was opened is still the one found under its name. Errors:
  /// not_found.
  virtual error_code verify() = 0;
};

/// Opens (creating it, 0700, if its parent exists) the directory `root` of the real file system and
/// takes an exclusive lock in it. Errors: not_found (parent missing), permission (not a directory,
/// not owned by us, or accessible to group or others), busy (another daemon holds the lock),
/// read_only...
result<std::unique_ptr<disk>> open_disk(const std::string& root);
/// Another process holds that lock now. Creates nothing.
bool is_disk_in_use(const std::string& root);

}  // namespace relais::spool
