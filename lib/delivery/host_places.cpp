#include "delivery/host_places.hpp"

#include <boost/asio/post.hpp>

namespace relais::delivery {

std::size_t host_places::join(net::asio::any_io_executor executor, std::function<void()> freed) {
  const std::lock_guard lock(mutex_);
  member added;
  added.executor = std::move(executor);
  added.freed = std::move(freed);
  members_.push_back(std::move(added));
  return members_.size() - 1;
}

bool host_places::take(std::size_t worker, const std::string& where) {
  const std::lock_guard lock(mutex_);
  auto& count = taken_[where];
  if (count >= limit_) {
    members_[worker].waits = true;
    // A limit of nothing leaves nothing behind.
    if (count == 0) taken_.erase(where);
    return false;
  }
  ++count;
  return true;
}

void host_places::give_back(const std::string& where) {
  const std::lock_guard lock(mutex_);
  const auto at = taken_.find(where);
  if (--at->second == 0) taken_.erase(at);
  // Which host it was that they found full is not noted: that is rare, and asking again is cheap.
  for (auto& m : members_) {
    if (m.waits) net::asio::post(m.executor, m.freed);
    m.waits = false;
  }
}

}  // namespace relais::delivery
