#include "delivery/report_book.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::delivery {

report_book::report_book(const config::settings& settings, std::size_t maximum_senders)
    : limit_(settings.report.limit),
      length_(std::max<duration>(settings.report.limit_window, std::chrono::seconds(1))),
      horizon_(settings.retry.bounce_lifetime),
      windows_(maximum_senders) {}

std::optional<duration> report_book::take(std::string_view reverse_path, steady_time now,
                                          bool may_wait) {
  if (limit_ == 0) return duration::zero();
  const auto name = to_lower(reverse_path);
  const std::scoped_lock lock(mutex_);
  auto* found = windows_.find(name);
  if (found == nullptr) {
    window fresh;
    fresh.begin = now;
    found = &windows_.put(name, fresh);
  }
  auto next = *found;
  if (now - next.begin >= length_) {
    next.begin = now;
    next.used = 0;
  } else if (next.used >= limit_) {
    next.begin += length_;
    next.used = 0;
  }
  const auto wait = std::max(duration::zero(), next.begin - now);
  if (wait > duration::zero() && (!may_wait || wait > horizon_)) return {};
  ++next.used;
  *found = next;
  return wait;
}

void report_book::give_back(std::string_view reverse_path) {
  const std::scoped_lock lock(mutex_);
  auto* found = windows_.find(to_lower(reverse_path));
  if (found != nullptr && found->used > 0) --found->used;
}

}  // namespace relais::delivery
