// What the parts of the field table share: how a row names its member, common ranges, and the parts
// themselves. Internal to config/, for fields*.cpp only.
#pragma once

#include <array>
#include <chrono>
#include <span>

#include "base/text.hpp"
#include "config/field_checks.hpp"
#include "config/fields.hpp"

namespace relais::config {

template <class Owner, class T>
Owner owner_of(T Owner::*);

template <auto First, auto... Rest>
auto& walk(void* owner) {
  using owner_type = decltype(owner_of(First));
  auto& first = static_cast<owner_type*>(owner)->*First;
  if constexpr (sizeof...(Rest) == 0) {
    return first;
  } else {
    return walk<Rest...>(&first);
  }
}

/// to<&settings::limits, &limit_settings::hops>
template <auto... Path>
inline constexpr auto to = &walk<Path...>;

template <class T>
constexpr std::uint64_t ns(T time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

inline constexpr bounds timeout_range{ns(1s), ns(24h)};
inline constexpr bounds lifetime_range{ns(1s), ns(24h * 366)};
inline constexpr std::uint64_t million = 1'000'000;
inline constexpr bounds size_range{65536, 1ull << 40, "RFC 5321 4.5.3.1.7"};
inline constexpr bounds recipients_range{100, million, "RFC 5321 4.5.3.1.8"};

constexpr bounds or_zero(bounds range) {
  range.or_zero = true;
  return range;
}

std::span<const field> server_fields();
std::span<const field> tls_fields();
std::span<const field> auth_fields();
std::span<const field> policy_fields();
std::span<const field> submission_fields();
std::span<const field> delivery_fields();
std::span<const field> limit_fields();
std::span<const field> spool_fields();

}  // namespace relais::config
