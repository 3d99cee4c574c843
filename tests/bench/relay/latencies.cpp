#include "bench/relay/latencies.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace relais::bench {

double latencies::share(double of) const {
  if (all_.empty()) return 0;
  const auto last = static_cast<double>(all_.size() - 1);
  return static_cast<double>(all_[static_cast<std::size_t>(of * last)]);
}

std::string latencies::to_json() {
  std::sort(all_.begin(), all_.end());
  return fmt::format(R"({{"count": {}, "p50": {:.3f}, "p99": {:.3f}, "max": {:.3f}}})", all_.size(),
                     share(0.5), share(0.99), share(1));
}

}  // namespace relais::bench
