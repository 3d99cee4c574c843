#include "delivery/connection_slots.hpp"

#include <boost/asio/post.hpp>

namespace relais::delivery {

std::size_t connection_slots::join(net::asio::any_io_executor executor,
                                   std::function<void()> granted) {
  members_.push_back({std::move(executor), std::move(granted), false});
  return members_.size() - 1;
}

bool connection_slots::take(std::size_t worker) {
  const std::lock_guard lock(mutex_);
  if (free_ > 0 && in_line_ == 0) {
    --free_;
    return true;
  }
  auto& me = members_[worker];
  if (!me.is_in_line) ++in_line_;
  me.is_in_line = true;
  return false;
}

void connection_slots::give_back() {
  const std::lock_guard lock(mutex_);
  if (in_line_ == 0) {
    ++free_;
    return;
  }
  while (!members_[next_].is_in_line) next_ = (next_ + 1) % members_.size();
  auto& lucky = members_[next_];
  next_ = (next_ + 1) % members_.size();
  lucky.is_in_line = false;
  --in_line_;
  net::asio::post(lucky.executor, lucky.granted);
}

std::size_t connection_slots::in_use() const {
  const std::lock_guard lock(mutex_);
  return limit_ - free_;
}

bool connection_slots::is_short() const {
  const std::lock_guard lock(mutex_);
  return in_line_ > 0;
}

}  // namespace relais::delivery
