// Several tasks at the same time, and all of their results in their order. Cancelling the one who
// waits cancels all.
#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <exception>
#include <iterator>
#include <utility>
#include <vector>

#include "net/task.hpp"

namespace relais::net {

/// Both at the same time.
template <class A, class B>
task<std::pair<A, B>> both(task<A> first, task<B> second) {
  using asio::experimental::awaitable_operators::operator&&;
  auto together = std::move(first) && std::move(second);
  std::exception_ptr failure;
  try {
    auto results = co_await std::move(together);
    co_return std::pair<A, B>(std::move(std::get<0>(results)), std::move(std::get<1>(results)));
  } catch (const asio::multiple_exceptions& both_failed) {
    // Two cancellations are one to whoever waits.
    failure = both_failed.first_exception();
  }
  std::rethrow_exception(failure);
}

/// All at the same time; the caller bounds how many. T is default constructible.
template <class T>
task<std::vector<T>> gather(std::vector<task<T>> jobs) {
  std::vector<T> results;
  if (jobs.empty()) co_return results;
  if (jobs.size() == 1) {
    auto only = co_await std::move(jobs.front());
    results.push_back(std::move(only));
    co_return results;
  }
  const auto middle = jobs.begin() + static_cast<std::ptrdiff_t>(jobs.size() / 2);
  std::vector<task<T>> later(std::make_move_iterator(middle), std::make_move_iterator(jobs.end()));
  jobs.erase(middle, jobs.end());
  auto left = gather(std::move(jobs));
  auto right = gather(std::move(later));
  auto halves = co_await both(std::move(left), std::move(right));
  results = std::move(halves.first);
  for (auto& r : halves.second) results.push_back(std::move(r));
  co_return results;
}

}  // namespace relais::net
