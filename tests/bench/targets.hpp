// The targets of the spool (docs/benchmarks.md), as data.
#pragma once

#include <span>
#include <string_view>

#include "bench/raw_probe.hpp"

namespace relais::bench {

/// How a target that was set on the reference machine is brought to this one.
enum class scaled_by : std::uint8_t {
  nothing,  ///< CPU time, octets, memory: not the disk's doing
  rate,     ///< grows with the raw rate
  time      ///< shrinks with it
};

struct target {
  std::string_view case_id;
  std::string_view value;
  bool at_least = false;
  double limit = 0;
  scaled_by scale = scaled_by::nothing;
  std::string_view unit;
};

std::span<const target> all_targets() noexcept;

/// The raw probe of the machine on which the targets were set, per second.
inline constexpr std::array reference_rates{6485.0, 6605.0, 1528.0};

}  // namespace relais::bench
