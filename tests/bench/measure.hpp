// What a benchmark reads off the machine: time, the distribution of a time, CPU time, what the
// block device has done, memory, and the disk use of a folder. Knows nothing of the spool.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace relais::bench {

using nanos = std::int64_t;

inline nanos now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// 64 steps per power of two: exact to 1.6 %, no allocation, a few nanoseconds per value.
class histogram {
 public:
  void add(nanos value) noexcept;
  void merge(const histogram& other) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  /// The value that this share of all values does not exceed.
  double quantile_ms(double share) const noexcept;
  double max_ms() const noexcept { return static_cast<double>(max_) / 1e6; }

 private:
  static constexpr std::size_t steps = 64;
  std::array<std::uint64_t, 42 * steps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

/// Counters that only grow; what lies between two readings is what a round has cost.
struct usage {
  double cpu_us = 0;  ///< of the process
  bool has_device = false;
  double device_octets = 0;  ///< written, by everybody on the machine
  double device_writes = 0;
  double flushes = 0;
};

usage operator-(const usage& after, const usage& before);
usage operator+(const usage& one, const usage& other);

/// Reads the counters of the block device that holds a directory; none on overlayfs, tmpfs...
class meter {
 public:
  explicit meter(const std::string& directory);
  usage read() const;
  const std::string& device() const noexcept { return name_; }

 private:
  std::string name_;
  std::string stat_file_;
};

double median(std::vector<double> values);

/// Of this process. Resident: what the system counts; heap: what malloc has handed out.
double resident_octets();
double heap_octets();

/// Octets of disk that the files below a folder take.
double disk_octets(const std::string& folder);

/// Takes the contents of all files below a folder out of the page cache, so that they are read from
/// the disk next time.
void forget_cached(const std::string& folder);

}  // namespace relais::bench
