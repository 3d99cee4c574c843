// Something to be done elsewhere (by the readers, on another worker), with its result brought home
// to the coroutine that waits for it.
#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "net/runtime.hpp"
#include "spool/runner.hpp"

namespace relais::delivery {

/// Where work goes: called with it, on the worker that asks.
using place = std::function<void(std::function<void()>)>;

inline place place_of(spool::runner& runner) {
  return [&runner](std::function<void()> job) { runner.run(std::move(job)); };
}
/// Also for the own worker: what is posted waits its turn.
inline place place_of(const net::runtime& worker) {
  return [executor = worker.executor](std::function<void()> job) {
    net::asio::post(executor, std::move(job));
  };
}

/// The coroutine may be cancelled meanwhile, so `work` owns what it touches, or that outlives the
/// place. (Not co_spawn() on the other executor: asio#1332.)
template <class T>
net::task<T> errand(net::asio::any_io_executor home, place there, std::function<T()> work) {
  struct answer {
    explicit answer(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    std::optional<T> value;
  };
  const auto shared = std::make_shared<answer>(home);
  there([shared = shared, work = std::move(work), home]() mutable {
    // In a box: what is posted may have to be copied.
    auto value = std::make_shared<T>(work());
    work = nullptr;
    net::asio::post(home, [shared = std::move(shared), value = std::move(value)] {
      shared->value.emplace(std::move(*value));
      shared->resumed.notify_all();
    });
  });
  while (!shared->value) co_await shared->resumed.wait();
  co_return std::move(*shared->value);
}

}  // namespace relais::delivery
