#include "bench/targets.hpp"

namespace relais::bench {
namespace {

using enum scaled_by;

constexpr bool at_least = true;
constexpr bool at_most = false;

constexpr std::array targets{
    target{"accept/10k/1", "rate", at_least, 0.85 * 6485, rate, "/s"},
    target{"accept/10k/8", "rate", at_least, 0.80 * 35'000, rate, "/s"},
    target{"accept/10k/50", "rate", at_least, 100'000, rate, "/s"},
    target{"accept/10k/50", "p99_ms", at_most, 1.0, time, "ms"},
    target{"accept/10k/50", "cpu_net_us", at_most, 5.0, nothing, "us"},
    target{"accept/10k/50", "written", at_most, 1.05, nothing, "octets"},
    target{"accept/10k/50", "flushes_per_batch", at_most, 1.05, nothing, ""},
    target{"accept/10k/200", "rate", at_least, 115'000, rate, "/s"},
    target{"accept/10k/200", "p99_ms", at_most, 2.5, time, "ms"},
    target{"accept/10k/200", "written", at_most, 1.05, nothing, "octets"},
    target{"accept/2k/200", "rate", at_least, 350'000, rate, "/s"},
    target{"accept/2k/200", "cpu_net_us", at_most, 2.0, nothing, "us"},
    target{"accept/100k/50", "mb_per_s", at_least, 1200, rate, "MB/s"},
    target{"accept/1m/8", "mb_per_s", at_least, 1100, rate, "MB/s"},
    target{"large/1m/8", "rate", at_least, 600, rate, "/s"},
    target{"life/1000", "rate", at_least, 75'000, rate, "/s"},
    target{"life/1000", "p99_ms", at_most, 4.0, time, "ms"},
    target{"life/1000", "cpu_net_us", at_most, 9.0, nothing, "us"},
    target{"life/1000", "device", at_most, 1.1, nothing, "octets"},
    target{"life/200000", "rate", at_least, 45'000, rate, "/s"},
    target{"life/200000", "p99_ms", at_most, 8.0, time, "ms"},
    target{"life/200000", "device", at_most, 1.4, nothing, "octets"},
    target{"stalls", "max_ms", at_most, 10.0, nothing, "ms"},
    target{"slow/1", "rate", at_least, 0.9 * 430, nothing, "/s"},
    target{"slow/50", "rate", at_least, 0.9 * 17'200, nothing, "/s"},
    target{"slow/200", "rate", at_least, 0.9 * 47'600, nothing, "/s"},
    target{"start-up", "checkpoint_s_per_million", at_most, 1.0, nothing, "s"},
    target{"start-up", "scan_s_per_million", at_most, 4.0, nothing, "s"},
    target{"start-up", "memory_resident", at_most, 250, nothing, "octets"},
};

}  // namespace

std::span<const target> all_targets() noexcept {
  return targets;
}

}  // namespace relais::bench
