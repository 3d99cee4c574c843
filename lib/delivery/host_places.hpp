// How many connections to one host all workers may have together (delivery.concurrency_per_host).
// A worker that found none is told when one is free again. Thread-safe; a lock is held for some
// instructions, once per connection, not per message.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/task.hpp"

namespace relais::delivery {

class host_places {
 public:
  explicit host_places(std::size_t limit) : limit_(limit) {}

  /// A worker; before it takes any. `freed` is called on its executor.
  std::size_t join(net::asio::any_io_executor executor, std::function<void()> freed);
  /// At the host that is there; to be given back. False: it has all; `freed` follows.
  bool take(std::size_t worker, const std::string& where);
  void give_back(const std::string& where);

 private:
  struct member {
    net::asio::any_io_executor executor;
    std::function<void()> freed;
    bool waits = false;
  };
  std::mutex mutex_;
  std::vector<member> members_;
  std::unordered_map<std::string, std::size_t> taken_;  // none of them 0
  const std::size_t limit_;
};

}  // namespace relais::delivery
