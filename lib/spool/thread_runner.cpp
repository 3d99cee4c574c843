// The runner of the real world: one thread that does the jobs of the spool in their order. The
// destructor finishes what is queued, so nothing that was handed over is dropped at a clean stop.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "spool/store.hpp"

namespace relais::spool {
namespace {

class thread_runner final : public runner {
 public:
  thread_runner() : thread_([this] { work(); }) {}

  thread_runner(const thread_runner&) = delete;
  thread_runner& operator=(const thread_runner&) = delete;

  ~thread_runner() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void run(std::function<void()> job) override {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        // A job may submit another one while we stop: empty means really empty, as jobs only come
        // from this thread by then.
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when all the rest exists
};

}  // namespace

std::unique_ptr<runner> make_thread_runner() {
  return std::make_unique<thread_runner>();
}

}  // namespace relais::spool
