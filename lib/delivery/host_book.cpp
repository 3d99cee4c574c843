#include "delivery/host_book.hpp"

namespace relais::delivery {

host_standing host_book::standing(const entry& e, steady_time now) noexcept {
  host_standing s;
  s.is_dead = now < e.dead_until;
  s.refuses = s.is_dead && e.failure.refuses;
  s.is_slow = now < e.slow_until;
  s.is_clear = now < e.clear_until;
  s.is_unpipelined = now < e.unpipelined_until;
  s.failed_at = e.failed_at;
  return s;
}

const host_book::entry* host_book::find(std::string_view host) const {
  const auto at = index_.find(host);
  return at == index_.end() ? nullptr : &*at->second;
}

host_book::entry& host_book::note(std::string_view host) {
  if (const auto at = index_.find(host); at != index_.end()) {
    entries_.splice(entries_.begin(), entries_, at->second);
    return entries_.front();
  }
  entries_.emplace_front();
  entries_.front().host = host;
  index_.emplace(entries_.front().host, entries_.begin());
  if (entries_.size() > options_.maximum) {
    index_.erase(entries_.back().host);
    entries_.pop_back();
  }
  return entries_.front();
}

void host_book::failed(std::string_view host, steady_time now, host_failure why) {
  auto& e = note(host);
  e.dead_until = now + options_.retry;
  e.failed_at = now;
  e.failure = std::move(why);
}

void host_book::worked(std::string_view host, steady_time now) {
  // Most hosts just work: nothing to remember.
  const auto* known = find(host);
  if (known == nullptr || known->dead_until <= now) return;
  auto& e = note(host);
  e.dead_until = {};
  e.failure = host_failure{};
}

void host_book::was_slow(std::string_view host, steady_time now) {
  note(host).slow_until = now + options_.retry;
}

void host_book::fell_back(std::string_view host, steady_time now) {
  note(host).clear_until = now + options_.clear;
}

void host_book::broke_pipelining(std::string_view host, steady_time now) {
  note(host).unpipelined_until = now + options_.unpipelined;
}

bool host_book::should_warn(std::string_view host, steady_time now) {
  auto& e = note(host);
  if (now < e.warned_until) return false;
  e.warned_until = now + options_.warning;
  return true;
}

host_standing host_book::look_up(std::string_view host, steady_time now) const {
  const auto* known = find(host);
  return known == nullptr ? host_standing{} : standing(*known, now);
}

const host_failure* host_book::failure_of(std::string_view host, steady_time now) const {
  const auto* known = find(host);
  return known == nullptr || known->dead_until <= now ? nullptr : &known->failure;
}

void host_book::visit(steady_time now,
                      const std::function<void(const std::string&, host_standing,
                                               const host_failure&)>& visitor) const {
  for (const auto& e : entries_) {
    const auto s = standing(e, now);
    if (s.is_dead || s.is_slow || s.is_clear || s.is_unpipelined) visitor(e.host, s, e.failure);
  }
}

}  // namespace relais::delivery
