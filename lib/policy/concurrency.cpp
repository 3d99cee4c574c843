#include "policy/concurrency.hpp"

#include <algorithm>

namespace relais::policy {

namespace {
constexpr std::size_t most_patience = 64;
}

concurrency::concurrency(std::size_t initial, std::size_t ceiling) noexcept
    : initial_(std::clamp<std::size_t>(initial, 1, std::max<std::size_t>(ceiling, 1))),
      ceiling_(std::max<std::size_t>(ceiling, 1)),
      limit_(initial_),
      slow_start_until_(ceiling_) {}

void concurrency::succeeded() noexcept {
  if (limit_ >= ceiling_) return;
  // Each success adds one, which doubles the limit in every round; where it was too much before,
  // a whole round of successes does.
  ++successes_;
  if (limit_ >= slow_start_until_ && successes_ < limit_ * patience_) return;
  successes_ = 0;
  if (has_grown_) patience_ = 1;
  has_grown_ = true;
  ++limit_;
}

void concurrency::pushed_back(std::size_t open) noexcept {
  successes_ = 0;
  // Connections beyond the limit are those of before it shrank: one storm counts once.
  if (open > limit_) return;
  limit_ = std::max<std::size_t>(open / 2, 1);
  slow_start_until_ = limit_;
}

void concurrency::had_enough(std::size_t open) noexcept {
  successes_ = 0;
  if (open >= limit_) return;
  limit_ = std::max<std::size_t>(open, 1);
  slow_start_until_ = limit_;
  patience_ = std::min(patience_ * 2, most_patience);
  has_grown_ = false;
}

void concurrency::failed() noexcept {
  successes_ = 0;
  slow_start_until_ = std::max<std::size_t>(limit_ / 2, 1);
  limit_ = 1;
}

}  // namespace relais::policy
