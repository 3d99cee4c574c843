// Many durations, summed up in a few figures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace relais::bench {

class latencies {
 public:
  void add(std::int64_t nanoseconds) { all_.push_back(static_cast<float>(nanoseconds) / 1e6F); }
  void clear() { all_.clear(); }
  /// {"count": N, "p50": ms, "p99": ms, "max": ms}; sorts what is there.
  std::string to_json();

 private:
  double share(double of) const;
  std::vector<float> all_;  ///< milliseconds
};

}  // namespace relais::bench
