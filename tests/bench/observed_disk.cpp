#include "bench/observed_disk.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

namespace relais::bench {
namespace {

thread_local bool is_committer = false;

}  // namespace

void committer_account::mark_committer() {
  is_committer = true;
}

nanos committer_account::spent(nanos at) const noexcept {
  const auto since = since_.load(std::memory_order_acquire);
  const auto done = spent_.load(std::memory_order_relaxed);
  return since == 0 || at < since ? done : done + (at - since);
}

void committer_account::keep(slow_call call) {
  const std::lock_guard lock(mutex_);
  slow_calls_.push_back(std::move(call));
  if (slow_calls_.size() > most_kept) slow_calls_.pop_front();
}

std::string committer_account::explain(nanos from, nanos to) const {
  struct total {
    std::size_t count = 0;
    nanos longest = 0;
  };
  std::map<std::string, total> totals;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& call : slow_calls_) {
      if (call.began > to || call.began + call.took < from) continue;
      auto& t = totals[(call.by_committer ? "committer " : "meanwhile ") + call.what];
      ++t.count;
      t.longest = std::max(t.longest, call.took);
    }
  }
  std::string text;
  for (const auto& [what, t] : totals) {
    text += fmt::format("; {} {:.1f} ms", what, static_cast<double>(t.longest) / 1e6);
    if (t.count > 1) text += fmt::format(" (longest of {})", t.count);
  }
  return text.empty() ? "; no slow disk call" : text;
}

class disk_call {
 public:
  disk_call(committer_account& account, const char* kind, std::string_view name)
      : account_(account), kind_(kind), name_(name), began_(now()) {
    if (is_committer) account_.since_.store(began_, std::memory_order_release);
  }
  ~disk_call() {
    const auto took = now() - began_;
    if (is_committer) {
      account_.since_.store(0, std::memory_order_relaxed);
      account_.spent_.fetch_add(took, std::memory_order_release);
    }
    if (took < committer_account::slow) return;
    account_.keep({began_, took, is_committer, fmt::format("{} {}", kind_, name_)});
  }
  disk_call(const disk_call&) = delete;
  disk_call& operator=(const disk_call&) = delete;

 private:
  committer_account& account_;
  const char* kind_;
  std::string_view name_;
  nanos began_;
};

namespace {

/// The device: flushes wait for each other.
struct device {
  committer_account& account;
  std::chrono::nanoseconds flush_takes;
  std::mutex one_flush;

  template <class Flush>
  error_code flush(std::string_view name, Flush real) {
    const disk_call call(account, "sync", name);
    if (flush_takes.count() == 0) return real();
    const std::lock_guard turn(one_flush);
    const auto end = now() + flush_takes.count();
    const auto error = real();
    // A benchmark of waiting: this is the one place that passes time on purpose.
    const timespec until{static_cast<time_t>(end / 1'000'000'000),
                         static_cast<long>(end % 1'000'000'000)};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    return error;
  }
};

class observed_file final : public spool::file {
 public:
  observed_file(std::unique_ptr<spool::file> real, device& dev, std::string_view name)
      : real_(std::move(real)), device_(dev), name_(name) {}

  error_code write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    const disk_call call(device_.account, "write", name_);
    return real_->write_at(offset, parts);
  }
  result<std::string> read_at(std::uint64_t offset, std::size_t length) override {
    const disk_call call(device_.account, "read", name_);
    return real_->read_at(offset, length);
  }
  result<std::uint64_t> size() override { return real_->size(); }
  error_code allocate(std::uint64_t length) override {
    const disk_call call(device_.account, "allocate", name_);
    return real_->allocate(length);
  }
  bool has_name() override { return real_->has_name(); }
  error_code sync() override {
    return device_.flush(name_, [&] { return real_->sync(); });
  }

 private:
  std::unique_ptr<spool::file> real_;
  device& device_;
  std::string name_;
};

class observed_disk final : public spool::disk {
 public:
  observed_disk(std::unique_ptr<spool::disk> real, committer_account& account,
                std::chrono::nanoseconds flush_takes)
      : real_(std::move(real)), device_{account, flush_takes, {}} {}

  result<std::unique_ptr<spool::file>> open(std::string_view name, spool::open_mode mode) override {
    const disk_call call(device_.account, "open", name);
    auto opened = real_->open(name, mode);
    if (!opened) return opened.error();
    return std::unique_ptr<spool::file>(
        std::make_unique<observed_file>(std::move(*opened), device_, name));
  }
  error_code make_directory(std::string_view name) override { return real_->make_directory(name); }
  result<std::vector<std::string>> list(std::string_view directory) override {
    return real_->list(directory);
  }
  error_code rename(std::string_view from, std::string_view to) override {
    const disk_call call(device_.account, "rename", from);
    return real_->rename(from, to);
  }
  error_code remove(std::string_view name) override {
    const disk_call call(device_.account, "remove", name);
    return real_->remove(name);
  }
  error_code sync_directory(std::string_view name) override {
    return device_.flush(name, [&] { return real_->sync_directory(name); });
  }
  result<spool::free_space> space() override { return real_->space(); }
  error_code verify() override { return real_->verify(); }

 private:
  std::unique_ptr<spool::disk> real_;
  device device_;
};

}  // namespace

std::unique_ptr<spool::disk> observe(std::unique_ptr<spool::disk> storage,
                                     committer_account& account,
                                     std::chrono::nanoseconds flush_takes) {
  return std::make_unique<observed_disk>(std::move(storage), account, flush_takes);
}

}  // namespace relais::bench
