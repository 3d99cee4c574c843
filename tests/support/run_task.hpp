// Runs one coroutine on a real io_context to its end: its result, or its exception. Bounded, so
// that a hanging coroutine fails its test instead of the whole run.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>

#include "net/task.hpp"

namespace relais::testing {

inline void run_task(boost::asio::io_context& io, net::task<void> job) {
  std::exception_ptr failure;
  bool done = false;
  boost::asio::co_spawn(io, std::move(job), [&](const std::exception_ptr& e) {
    failure = e;
    done = true;
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_one_until(end);
  }
  if (failure) std::rethrow_exception(failure);
  if (!done) throw std::runtime_error("the coroutine did not end");
}

}  // namespace relais::testing
