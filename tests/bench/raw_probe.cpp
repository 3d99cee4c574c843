#include "bench/raw_probe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "base/random.hpp"
#include "bench/subject.hpp"

namespace relais::bench {
namespace {

constexpr std::uint64_t file_size = 128u << 20;

// Below, the flush is all that costs: the smallest probe stands for all of it.
constexpr double only_flush = 32u << 10;

}  // namespace

std::vector<probe_size> probes_for(double octets) {
  using enum probe_size;
  if (octets < only_flush) return {small};
  if (octets <= probe_octets[1]) return {small, middle};
  return octets < probe_octets[2] ? std::vector{middle, large} : std::vector{large};
}

double raw_rate_at(double octets, const std::array<double, 3>& rates) {
  const auto needed = probes_for(octets);
  const auto low = static_cast<std::size_t>(needed.front());
  const auto high = static_cast<std::size_t>(needed.back());
  if (low == high) return low == 0 ? rates[0] : rates[2] * probe_octets[2] / octets;
  const double share = (octets - probe_octets[low]) / (probe_octets[high] - probe_octets[low]);
  return 1 / ((1 - share) / rates[low] + share / rates[high]);
}

raw_probe::raw_probe(const std::string& directory) : fd_(-1), data_(1u << 20, '\0') {
  seeded_random dice(2);
  for (std::size_t i = 0; i < data_.size(); i += 8) {
    const auto value = dice.next();
    std::memcpy(data_.data() + i, &value, 8);
  }
  const auto name = directory + "/raw";
  fd_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd_ < 0) broken("cannot create " + name);
  for (std::uint64_t at = 0; at < file_size; at += data_.size()) {
    if (::pwrite(fd_, data_.data(), data_.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(data_.size())) {
      broken("cannot write " + name);
    }
  }
  if (::fsync(fd_) != 0) broken("cannot sync " + name);
}

raw_probe::~raw_probe() {
  ::close(fd_);
}

double raw_probe::measure(probe_size size, double seconds) {
  const auto index = static_cast<std::size_t>(size);
  const std::size_t octets = probe_octets[index];
  histogram latency;
  const auto begin = now();
  const auto end = begin + static_cast<nanos>(seconds * 1e9);
  auto last = begin;
  while (last < end) {
    if (at_ + octets > file_size) at_ = 0;
    if (::pwrite(fd_, data_.data(), octets, static_cast<off_t>(at_)) !=
            static_cast<ssize_t>(octets) ||
        ::fdatasync(fd_) != 0) {
      broken("the raw probe cannot write");
    }
    at_ += octets;
    const auto done = now();
    latency.add(done - last);
    last = done;
  }
  const auto rate =
      static_cast<double>(latency.count()) / (static_cast<double>(last - begin) / 1e9);
  rates_[index].push_back(rate);
  latency_[index].merge(latency);
  return rate;
}

double raw_probe::median_rate(probe_size size) const {
  return median(rates_[static_cast<std::size_t>(size)]);
}

}  // namespace relais::bench
