#include "bench/measure.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>

namespace relais::bench {

void histogram::add(nanos value) noexcept {
  const auto v = static_cast<std::uint64_t>(std::max<nanos>(value, 0));
  std::size_t index = v;
  if (v >= steps) {
    const auto shift = static_cast<std::size_t>(std::bit_width(v)) - 7;
    index = std::min((shift + 1) * steps + (v >> shift) - steps, counts_.size() - 1);
  }
  ++counts_[index];
  ++count_;
  max_ = std::max(max_, v);
}

void histogram::merge(const histogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

double histogram::quantile_ms(double share) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen <= wanted) continue;
    if (i < steps) return static_cast<double>(i) / 1e6;
    const auto shift = i / steps - 1;
    return static_cast<double>((i % steps + steps) << shift) / 1e6;
  }
  return max_ms();
}

usage operator-(const usage& after, const usage& before) {
  return {after.cpu_us - before.cpu_us, after.has_device && before.has_device,
          after.device_octets - before.device_octets, after.device_writes - before.device_writes,
          after.flushes - before.flushes};
}

usage operator+(const usage& one, const usage& other) {
  return {one.cpu_us + other.cpu_us, one.has_device || other.has_device,
          one.device_octets + other.device_octets, one.device_writes + other.device_writes,
          one.flushes + other.flushes};
}

meter::meter(const std::string& directory) {
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) return;
  const auto link = fmt::format("/sys/dev/block/{}:{}", major(status.st_dev), minor(status.st_dev));
  std::error_code none;
  const auto target = std::filesystem::canonical(link, none);
  if (none) return;
  name_ = target.filename().string();
  stat_file_ = link + "/stat";
}

usage meter::read() const {
  usage u;
  rusage r{};
  ::getrusage(RUSAGE_SELF, &r);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  u.cpu_us = us(r.ru_utime) + us(r.ru_stime);
  if (stat_file_.empty()) return u;
  // Documentation/block/stat.rst: [4] write I/Os, [6] sectors of 512 octets written, [15] flushes.
  std::ifstream in(stat_file_);
  std::array<double, 17> fields{};
  for (auto& field : fields) in >> field;
  u.has_device = in.good() || in.eof();
  u.device_writes = fields[4];
  u.device_octets = fields[6] * 512;
  u.flushes = fields[15];
  return u;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double resident_octets() {
  std::ifstream in("/proc/self/statm");
  double total = 0;
  double resident = 0;
  in >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double heap_octets() {
  const auto info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

double disk_octets(const std::string& folder) {
  double sum = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, none)) {
    struct stat status{};
    if (::stat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    sum += static_cast<double>(status.st_blocks) * 512;
  }
  return sum;
}

void forget_cached(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::fdatasync(fd);  // only clean pages can go
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

}  // namespace relais::bench
