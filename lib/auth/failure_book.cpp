#include "auth/failure_book.hpp"

#include <algorithm>

#include "auth/secret.hpp"

namespace relais::auth {
namespace {

constexpr duration longest_delay = std::chrono::seconds(16);

/// Whoever has an IPv6 address has its /64.
ip_address counted_as(const ip_address& client) noexcept {
  if (!client.is_v6()) return client;
  auto octets = client.as_v6();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return ip_address::v6(octets);
}

}  // namespace

failure_book::failure_book(const config::auth_settings& settings, std::size_t capacity)
    : limit_(settings.failures_per_client),
      window_(settings.failure_window),
      capacity_(capacity),
      key_(random_octets(32)) {}

void failure_book::configure(const config::auth_settings& settings) {
  const std::lock_guard lock(mutex_);
  limit_ = settings.failures_per_client;
  window_ = settings.failure_window;
}

failure_book::entries::iterator failure_book::find(const ip_address& client) {
  const auto found = by_client_.find(counted_as(client));
  return found == by_client_.end() ? entries_.end() : found->second;
}

void failure_book::drop(entries::iterator which) {
  by_client_.erase(which->client);
  entries_.erase(which);
}

bool failure_book::is_blocked(const ip_address& client, steady_time now) {
  const std::lock_guard lock(mutex_);
  const auto found = find(client);
  if (limit_ == 0 || found == entries_.end()) return false;
  if (now >= found->since + window_) {
    drop(found);
    return false;
  }
  return found->failures >= limit_;
}

void failure_book::failed(const ip_address& client, steady_time now) {
  const std::lock_guard lock(mutex_);
  if (limit_ == 0) return;
  auto found = find(client);
  if (found != entries_.end() && now < found->since + window_) {
    ++found->failures;
    return;
  }
  if (found != entries_.end()) drop(found);
  while (!entries_.empty() &&
         (entries_.size() >= capacity_ || now >= entries_.front().since + window_)) {
    drop(entries_.begin());
  }
  entries_.push_back({counted_as(client), now, 1});
  by_client_[entries_.back().client] = std::prev(entries_.end());
}

std::size_t failure_book::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::string failure_book::salt_of_nobody(std::string_view user) const {
  return hmac_sha256(key_, user).substr(0, 16);
}

duration failure_delay(const config::auth_settings& settings, std::uint64_t failures) noexcept {
  if (failures == 0) return {};
  auto delay = settings.failure_delay;
  for (; failures > 1 && delay > duration::zero() && delay < longest_delay; --failures) delay *= 2;
  return std::min(delay, std::max(longest_delay, settings.failure_delay));
}

}  // namespace relais::auth
