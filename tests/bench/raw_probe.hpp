// What the device can do at the moment: one writer overwrites blocks that were written before and
// calls fdatasync after each write. Everything else is judged against this, measured next to it in
// the same run and directory, since the machine's disk is hardly ever ours alone.
#pragma once

#include <array>
#include <string>

#include "bench/measure.hpp"

namespace relais::bench {

enum class probe_size : std::uint8_t { small, middle, large };
inline constexpr std::array probe_octets{4096u, 65536u, 1048576u};
inline constexpr std::array probe_names{"4 KiB", "64 KiB", "1 MiB"};
inline constexpr std::array all_probes{probe_size::small, probe_size::middle, probe_size::large};

/// The raw rate for writes of any size: between two probes the time of a write grows evenly, above
/// the largest one with the octets.
double raw_rate_at(double octets, const std::array<double, 3>& rates);
/// The probes that raw_rate_at needs for this size.
std::vector<probe_size> probes_for(double octets);

class raw_probe {
 public:
  /// Writes its file once.
  explicit raw_probe(const std::string& directory);
  ~raw_probe();
  raw_probe(const raw_probe&) = delete;
  raw_probe& operator=(const raw_probe&) = delete;

  /// Write + fdatasync, per second.
  double measure(probe_size size, double seconds);
  /// Of all measurements so far.
  double median_rate(probe_size size) const;
  const histogram& latency(probe_size size) const noexcept {
    return latency_[static_cast<std::size_t>(size)];
  }
  std::size_t rounds(probe_size size) const noexcept {
    return rates_[static_cast<std::size_t>(size)].size();
  }

 private:
  int fd_;
  std::string data_;
  std::uint64_t at_ = 0;
  std::array<std::vector<double>, 3> rates_;
  std::array<histogram, 3> latency_;
};

}  // namespace relais::bench
