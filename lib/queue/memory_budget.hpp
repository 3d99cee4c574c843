// One budget of memory for the content of all messages that are being received or delivered
// (design: bounded everything). Leases are taken as content grows and given back by their
// destructor. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace relais::queue {

class memory_budget {
 public:
  explicit memory_budget(std::uint64_t limit) : limit_(limit) {}

  bool reserve(std::uint64_t octets) noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    do {
      if (octets > limit_ - used) return false;  // used_ never exceeds limit_
    } while (!used_.compare_exchange_weak(used, used + octets, std::memory_order_relaxed));
    return true;
  }
  void release(std::uint64_t octets) noexcept {
    used_.fetch_sub(octets, std::memory_order_relaxed);
  }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const noexcept { return limit_; }

 private:
  std::atomic<std::uint64_t> used_{0};
  std::uint64_t limit_;
};

/// How scarce memory is: decides how much one message may hold before it goes to a file.
enum class memory_pressure : std::uint8_t {
  none,      ///< less than half is used
  elevated,  ///< less than three quarters
  high,      ///< less than seven eighths
  extreme    ///< what is left is for the first octets of many
};

inline memory_pressure pressure_of(const memory_budget& budget) noexcept {
  const auto eighth = budget.limit() / 8;
  const auto used = budget.used();
  if (used < 4 * eighth) return memory_pressure::none;
  if (used < 6 * eighth) return memory_pressure::elevated;
  return used < 7 * eighth ? memory_pressure::high : memory_pressure::extreme;
}

/// A part of the budget, owned. Movable; an empty lease owns nothing.
class memory_lease {
 public:
  memory_lease() = default;
  explicit memory_lease(memory_budget& budget) : budget_(&budget) {}
  memory_lease(memory_lease&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), octets_(std::exchange(other.octets_, 0)) {}
  memory_lease& operator=(memory_lease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(octets_, other.octets_);
    return *this;
  }
  ~memory_lease() {
    if (budget_ != nullptr) budget_->release(octets_);
  }

  /// Grows to at least `octets`, in steps, so that the shared counter is touched rarely. False: the
  /// budget is spent, the lease is as before.
  bool cover(std::uint64_t octets) noexcept {
    constexpr std::uint64_t step = 64 * 1024;
    if (octets <= octets_) return true;
    auto wanted = octets <= step ? octets : (octets + step - 1) / step * step;
    if (!budget_->reserve(wanted - octets_)) {
      wanted = octets;
      if (!budget_->reserve(wanted - octets_)) return false;
    }
    octets_ = wanted;
    return true;
  }
  /// Gives back what is above `octets`.
  void shrink(std::uint64_t octets) noexcept {
    if (octets >= octets_) return;
    budget_->release(octets_ - octets);
    octets_ = octets;
  }
  std::uint64_t octets() const noexcept { return octets_; }

 private:
  memory_budget* budget_ = nullptr;
  std::uint64_t octets_ = 0;
};

}  // namespace relais::queue
