// A disk in memory that knows what is on stable storage and what is not. At a crash everything
// un-synced is kept or lost as the seed says: data by sectors of 512 octets, names by single
// directory operations (of a rename the old name may stay, but never do both vanish), sizes. A
// failed sync behaves as Linux does: the data stays readable, and no later sync makes it durable.
// Each call of spool::disk or spool::file is one operation (but has_name(), which cannot fail); any
// of them can be made to fail, and the power can be cut before any of them. Safe from any thread;
// one seed gives the same disk every time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "spool/disk.hpp"
#include "support/sim_pages.hpp"

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
  space,
  allocate,
  verify
};

struct disk_limits {
  std::uint64_t bytes = 1u << 30;
  std::uint64_t inodes = 1'000'000;
};

/// Operations of one kind that fail.
struct disk_fault {
  disk_operation what = disk_operation::write;
  std::uint64_t after = 0;  ///< so many of that kind succeed first
  std::uint64_t times = 1;  ///< UINT64_MAX: for ever
  errc error = errc::io_error;
  /// Of a write: so many octets are written before it fails; empty: half of them.
  std::optional<std::size_t> written{};
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
  /// It was not the power, but the process that ended: open files are lost, nothing else is; what
  /// is not synced is still not.
  void restart();
  /// Another disk, as this one would be after crash(seed); this one stays as it is.
  std::unique_ptr<sim_disk> crashed_copy(std::uint64_t seed) const;
  /// Called before each operation on content and names (not for opening what exists, sizes, lists,
  /// room), with the disk as it is then; it may use the disk itself. A crash before any other
  /// operation than a change leaves what a crash before the next change leaves.
  void observe(std::function<void(disk_operation, std::string_view)> observer);
  /// The n-th operation from now fails with `error` (0: the next).
  void fail_after(std::uint64_t operations, errc error);
  void fail(disk_fault fault);
  /// Asked at every operation; what it returns fails the operation.
  void on_operation(std::function<std::optional<errc>(disk_operation, std::string_view)> hook);
  void set_capacity(limits capacity);
  /// The directory is not found under its name any more; `with_content`: nor is anything in it,
  /// though open files can still be written.
  void vanish(bool with_content);
  /// Flips one bit of the file, on stable storage, too.
  bool flip_bit(std::string_view name, std::uint64_t bit);
  std::optional<std::string> content(std::string_view name) const;
  /// Puts a file there, durably.
  void put(std::string_view name, std::string content);
  /// Takes a file away, durably. False: there was none.
  bool take_away(std::string_view name);
  /// All files, with their folders, in order.
  std::vector<std::string> files() const;

  result<std::unique_ptr<spool::file>> open(std::string_view name, spool::open_mode mode) override;
  error_code make_directory(std::string_view name) override;
  result<std::vector<std::string>> list(std::string_view directory) override;
  error_code rename(std::string_view from, std::string_view to) override;
  error_code remove(std::string_view name) override;
  error_code sync_directory(std::string_view name) override;
  result<spool::free_space> space() override;
  error_code verify() override;

 private:
  friend class sim_file;

  using node = std::shared_ptr<sim_content>;
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
  using tree = std::map<std::string, directory, std::less<>>;
  struct place {
    directory* folder = nullptr;
    std::string leaf;
  };

  void announce(disk_operation operation, std::string_view name) const;
  error_code enter(disk_operation operation, std::string_view name);
  place locate(std::string_view name);
  node find(std::string_view name) const;
  void record(const place& where, node target, std::uint64_t needs = 0);
  std::uint64_t used() const;
  std::uint64_t names() const;
  bool would_not_fit(const sim_content& target, std::size_t new_size) const;
  bool is_off_now() const;
  bool is_named(const node& target) const;
  tree after_crash(std::uint64_t seed) const;
  static void apply(std::map<std::string, node>& entries, const change& c);

  mutable std::mutex mutex_;
  limits capacity_;
  tree folders_;  ///< "." is the root; directories are durable at once
  bool has_vanished_ = false;
  std::uint64_t operations_ = 0;
  std::uint64_t serial_ = 0;
  std::uint64_t boot_ = 0;  ///< files opened before a crash are of an older one
  std::optional<std::uint64_t> power_ends_at_;
  std::optional<std::pair<std::uint64_t, errc>> failure_;
  std::vector<disk_fault> faults_;
  std::optional<std::size_t> short_write_;  ///< of the fault that was met last
  std::function<std::optional<errc>(disk_operation, std::string_view)> hook_;
  std::function<void(disk_operation, std::string_view)> observer_;
};

}  // namespace relais::testing
