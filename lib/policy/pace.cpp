#include "policy/pace.hpp"

#include <algorithm>

namespace relais::policy {

pace::pace(std::uint64_t limit, duration window) noexcept {
  if (limit == 0 || window <= duration{0}) return;
  const auto whole = static_cast<std::uint64_t>(window.count());
  // Rounded up: rather too few than too many.
  const auto step = std::max<std::uint64_t>((whole - 1) / limit + 1, 1);
  step_ = duration{static_cast<duration::rep>(step)};
  // What may go at once besides the one that is due. At most a tenth of the window: no overflow.
  const auto burst = std::max<std::uint64_t>(limit / 10, 1);
  burst_ = duration{static_cast<duration::rep>((burst - 1) * step)};
}

steady_time pace::next(steady_time now) const noexcept {
  return is_limited() ? empty_at_ - burst_ : now;
}

void pace::took(steady_time now) noexcept {
  if (is_limited()) empty_at_ = std::max(empty_at_, now) + step_;
}

}  // namespace relais::policy
