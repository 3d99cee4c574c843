#include "bench/closed_loop.hpp"

#include <utility>

#include "bench/subject.hpp"

namespace relais::bench {
namespace {

constexpr std::uint64_t most_ready = 64u << 20;  // octets
constexpr nanos late = 10'000'000;

}  // namespace

load_result closed_loop::run(const load_shape& shape) {
  load_result sum;
  slots_.assign(shape.outstanding, {});
  if (!ready_.empty() && ready_.front()->content.size() != shape.size) ready_.clear();
  const auto begin = now();
  const auto limit = shape.seconds < 1e6 ? static_cast<nanos>(shape.seconds * 1e9)
                                         : std::numeric_limits<nanos>::max() / 2;
  const auto end = begin + limit;
  std::uint64_t issued = 0;
  for (; issued < std::min<std::uint64_t>(shape.outstanding, shape.messages); ++issued) {
    issue(issued, shape.size);
  }
  std::uint64_t outstanding = issued;
  std::vector<arrival> arrived;
  while (outstanding > 0) {
    prepare(shape);
    take(arrived);
    ids_.clear();
    for (const auto& a : arrived) {
      note(a, sum);
      if (a.at <= end) sum.acknowledged += a.batch.size();
      const bool more = a.at < end;
      for (const auto& done : a.batch) {
        if (more && issued < shape.messages) {
          issue(done.token, shape.size);
          ++issued;
        } else {
          --outstanding;
        }
      }
    }
    arrived.clear();
    after_.acknowledged(ids_);
  }
  sum.seconds = static_cast<double>(std::min(now(), end) - begin) / 1e9;
  return sum;
}

void closed_loop::issue(std::uint64_t token, std::size_t size) {
  spool::append_request request;
  if (ready_.empty()) {
    request.content = source_.make(size);
  } else {
    request.content = std::move(ready_.back());
    ready_.pop_back();
  }
  request.token = token;
  auto& s = slots_[token];
  s.content = request.content;
  s.began = now();
  if (account_ != nullptr) s.in_disk = account_->spent(s.began);
  store_.append(std::move(request), *this);
}

void closed_loop::prepare(const load_shape& shape) {
  const auto most = std::min<std::uint64_t>(shape.outstanding, most_ready / shape.size);
  while (ready_.size() < most && !has_arrived_.load(std::memory_order_relaxed)) {
    ready_.push_back(source_.make(shape.size));
  }
}

void closed_loop::complete(std::vector<spool::completion> batch) {
  arrival a;
  a.at = now();
  if (account_ != nullptr) a.in_disk = account_->spent(a.at);
  a.batch = std::move(batch);
  // Under the lock: who is woken may end this object.
  const std::lock_guard lock(mutex_);
  if (arrived_.empty()) wake_.notify_one();
  arrived_.push_back(std::move(a));
  has_arrived_.store(true, std::memory_order_relaxed);
}

void closed_loop::take(std::vector<arrival>& into) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return !arrived_.empty(); });
  into.swap(arrived_);
  has_arrived_.store(false, std::memory_order_relaxed);
}

void closed_loop::note(const arrival& a, load_result& sum) {
  late_one latest;
  for (const auto& done : a.batch) {
    if (done.error) broken("append: " + done.error.message());
    if (done.token >= slots_.size()) broken("a completion that nobody waits for");
    auto& s = slots_[done.token];
    const auto took = a.at - s.began;
    sum.latency.add(took);
    if (took > latest.took) latest = {s.began, took};
    if (account_ != nullptr) sum.outside_disk.add(took - (a.in_disk - s.in_disk));
    ids_.push_back(s.content->id);
    s.content.reset();
  }
  if (account_ != nullptr && latest.took > late) sum.late.push_back(latest);
}

void lagging_delivery::acknowledged(std::span<const queue_id> ids) {
  waiting_.insert(waiting_.end(), ids.begin(), ids.end());
  for (; waiting_.size() - first_ > lag_; ++settled_) store_.settle(delivered(waiting_[first_++]));
  if (first_ > waiting_.size() / 2) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void lagging_delivery::deliver_rest() {
  for (; first_ < waiting_.size(); ++first_) store_.settle(delivered(waiting_[first_]));
  waiting_.clear();
  first_ = 0;
}

}  // namespace relais::bench
