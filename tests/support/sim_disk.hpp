// A disk in memory that knows what is on stable storage and what is not. At a crash everything
// un-synced is kept, lost or torn as the seed says: data by sectors of 512 octets, names by single
// directory operations (of a rename between folders the old name may stay, but never do both
// vanish). A failed sync behaves as Linux does: the data stays readable, and no later sync makes it
// durable. Each call of spool::disk or spool::file is one operation; any of them can be made to
// fail, and the power can be cut before any of them. Safe from any thread; one seed gives the same
// disk every time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "spool/disk.hpp"

namespace relais::testing {

enum class disk_operation : std::uint8_t {
  open,
  write,
  read,
  size,
  sync,
  make_directory,
  list,
  rename,
  remove,
  sync_directory,
  space
};

struct disk_limits {
  std::uint64_t bytes = 1u << 30;
  std::uint64_t inodes = 1'000'000;
};

class sim_disk final : public spool::disk {
 public:
  using limits = disk_limits;

  explicit sim_disk(limits capacity = {});

  // What a test does to it.

  /// Operations so far, failed ones included.
  std::uint64_t operations() const;
  /// The power goes off before the n-th operation from now (0: the next): it and all later ones
  /// fail with io_error and change nothing, until crash().
  void cut_power_after(std::uint64_t operations);
  bool is_off() const;
  /// Decides what survived of everything un-synced, and switches on again. Open files are lost.
  void crash(std::uint64_t seed);
  /// The n-th operation from now fails with `error` (0: the next).
  void fail_after(std::uint64_t operations, errc error);
  /// Asked at every operation; what it returns fails the operation.
  void on_operation(std::function<std::optional<errc>(disk_operation, std::string_view)> hook);
  void set_capacity(limits capacity);
  /// Flips one bit of the file, on stable storage, too.
  bool flip_bit(std::string_view name, std::uint64_t bit);
  std::optional<std::string> content(std::string_view name) const;
  /// Puts a file there, durably.
  void put(std::string_view name, std::string content);

  result<std::unique_ptr<spool::file>> open(std::string_view name, spool::open_mode mode) override;
  error_code make_directory(std::string_view name) override;
  result<std::vector<std::string>> list(std::string_view directory) override;
  error_code rename(std::string_view from, std::string_view to) override;
  error_code remove(std::string_view name) override;
  error_code sync_directory(std::string_view name) override;
  result<spool::free_space> space() override;

 private:
  friend class sim_file;

  struct inode {
    std::string data;               ///< as a reader sees it
    std::string durable;            ///< as it is on stable storage
    std::set<std::size_t> dropped;  ///< sectors that a failed sync gave up
  };
  using node = std::shared_ptr<inode>;
  /// One change of one name in one directory; `target` empty: the name goes.
  struct change {
    std::string name;
    node target;
    std::uint64_t serial = 0;
    std::uint64_t needs = 0;  ///< serial of the change that must be durable before this; 0: none
    bool dropped = false;     ///< a failed sync gave it up
  };
  struct directory {
    std::map<std::string, node> entries;
    std::map<std::string, node> durable;
    std::vector<change> pending;
  };
  struct place {
    directory* folder = nullptr;
    std::string leaf;
  };

  error_code enter(disk_operation operation, std::string_view name);
  place locate(std::string_view name);
  void record(const place& where, node target, std::uint64_t needs = 0);
  std::uint64_t used() const;
  bool would_not_fit(const inode& target, std::size_t new_size) const;
  bool is_off_now() const;
  static void sync_data(inode& target, bool succeeds);
  static void settle_data(inode& target, seeded_random& random);
  static void apply(std::map<std::string, node>& entries, const change& c);

  mutable std::mutex mutex_;
  limits capacity_;
  std::map<std::string, directory, std::less<>>
      folders_;  ///< "." is the root; made durable at once
  std::uint64_t operations_ = 0;
  std::uint64_t serial_ = 0;
  std::uint64_t boot_ = 0;  ///< files opened before a crash are of an older one
  std::optional<std::uint64_t> power_ends_at_;
  std::optional<std::pair<std::uint64_t, errc>> failure_;
  std::function<std::optional<errc>(disk_operation, std::string_view)> hook_;
};

}  // namespace relais::testing
