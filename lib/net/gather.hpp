// Several tasks at the same time, and all of their results in their order. Cancelling the one who
// waits cancels all.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "net/task.hpp"

namespace relais::net {

/// The caller bounds how many. T is default constructible. If tasks throw, the first one's
/// exception is thrown when all have ended.
template <class T>
task<std::vector<T>> gather(std::vector<task<T>> jobs) {
  std::vector<T> results;
  if (jobs.empty()) co_return results;
  const auto executor = co_await asio::this_coro::executor;
  auto begin = [&executor](task<T>& job) {
    return asio::co_spawn(executor, std::move(job), asio::deferred);
  };
  std::vector<decltype(begin(jobs.front()))> operations;
  operations.reserve(jobs.size());
  for (auto& job : jobs) operations.push_back(begin(job));
  auto group = asio::experimental::make_parallel_group(std::move(operations));
  auto [order, failures, values] =
      co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  results = std::move(values);
  co_return results;
}

}  // namespace relais::net
