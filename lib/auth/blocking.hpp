// What blocks (hashing, PAM) is done by other threads; the coroutine that asked goes on at its own
// worker. The number of jobs that wait is bounded: a flood of logins must not pile up passwords.
#pragma once

#include <boost/asio/post.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "net/runtime.hpp"

namespace relais::auth {

/// Runs a job on another thread, soon. Its threads end before the io_context of the worker does.
using run_blocking = std::function<void(std::function<void()>)>;

/// Of one worker.
class blocking_gate {
 public:
  blocking_gate(run_blocking run, net::asio::any_io_executor executor, std::size_t limit = 256)
      : run_(std::move(run)), executor_(std::move(executor)), limit_(limit) {}

  /// None: too many jobs wait already, or the job threw. The waiting coroutine may be cancelled
  /// meanwhile, so `work` owns what it touches.
  template <class T>
  net::task<std::optional<T>> run(std::function<T()> work);

 private:
  run_blocking run_;
  net::asio::any_io_executor executor_;
  std::size_t limit_;
  std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);  // of the worker only
};

template <class T>
net::task<std::optional<T>> blocking_gate::run(std::function<T()> work) {
  struct outcome {
    explicit outcome(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    bool done = false;
    std::optional<T> value;
  };
  if (*waiting_ >= limit_) co_return std::nullopt;
  ++*waiting_;
  const auto shared = std::make_shared<outcome>(executor_);
  run_([shared = shared, waiting = waiting_, work = std::move(work),
        executor = executor_]() mutable {
    std::optional<T> value;
    try {
      value = work();
    } catch (const std::exception&) {
      value.reset();
    }
    // What the work owns (a password) ends here, before anybody goes on.
    work = nullptr;
    net::asio::post(executor, [shared = std::move(shared), waiting = std::move(waiting),
                               value = std::move(value)]() mutable {
      --*waiting;
      shared->value = std::move(value);
      shared->done = true;
      shared->resumed.notify_all();
    });
  });
  while (!shared->done) co_await shared->resumed.wait();
  co_return std::move(shared->value);
}

}  // namespace relais::auth
