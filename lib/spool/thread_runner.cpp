// The runner of the real world: threads that do the jobs of the spool in their order. The
// destructor finishes what is queued, so nothing that was handed over is dropped at a clean stop.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "spool/runner.hpp"

namespace relais::spool {
namespace {

using delay_clock = std::chrono::steady_clock;

class thread_runner final : public runner {
 public:
  explicit thread_runner(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  thread_runner(const thread_runner&) = delete;
  thread_runner& operator=(const thread_runner&) = delete;

  ~thread_runner() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
  }

  void run(std::function<void()> job) override {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

  void run_after(duration delay, std::function<void()> job) override {
    {
      const std::lock_guard lock(mutex_);
      delayed_.emplace(delay_clock::now() + delay, std::move(job));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex_);
        if (!await_job(lock)) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  /// False: stopping, and really empty, as jobs only come from these threads by then.
  bool await_job(std::unique_lock<std::mutex>& lock) {
    for (;;) {
      const auto now = delay_clock::now();
      while (!delayed_.empty() && delayed_.begin()->first <= now) {
        jobs_.push_back(std::move(delayed_.begin()->second));
        delayed_.erase(delayed_.begin());
      }
      if (!jobs_.empty()) return true;
      if (stopping_) return false;
      if (delayed_.empty()) {
        wake_.wait(lock);
      } else {
        wake_.wait_until(lock, delayed_.begin()->first);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::multimap<delay_clock::time_point, std::function<void()>> delayed_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they start when all the rest exists
};

}  // namespace

std::unique_ptr<runner> make_thread_runner(std::size_t threads) {
  return std::make_unique<thread_runner>(threads);
}

}  // namespace relais::spool
