// Runs one task on an io_context to its end, bounded in time; rethrows what it threw.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

#include "net/task.hpp"

namespace relais::testing {

template <class T>
T run_task(net::asio::io_context& io, net::task<T> job) {
  std::optional<T> outcome;
  std::exception_ptr thrown;
  bool ended = false;
  net::asio::co_spawn(io, std::move(job), [&](std::exception_ptr e, T value) {
    thrown = e;
    outcome = std::move(value);
    ended = true;
  });
  io.restart();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!ended && std::chrono::steady_clock::now() < limit) {
    if (io.run_one_until(limit) == 0) break;
  }
  if (thrown) std::rethrow_exception(thrown);
  if (!ended) throw std::runtime_error("the task did not end");
  return std::move(*outcome);
}

}  // namespace relais::testing
