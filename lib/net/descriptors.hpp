// Descriptors in reserve: new connections are not accepted while those that are left are needed for
// what is under way (the spool's files, deliveries, DNS). Waiting clients stay in the kernel's
// queue; accept(2) never fails for want of a descriptor, which would leave them there and spin.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace relais::net {

/// Of this process (RLIMIT_NOFILE, soft).
std::uint64_t descriptor_limit() noexcept;
/// Raises the soft limit to the hard one; returns what holds then.
std::uint64_t raise_descriptor_limit() noexcept;
/// How many descriptors below the lowest free one are open: all that matters of "how many are
/// open", as new ones are always the lowest. Two system calls; descriptor_limit() if none is free.
std::uint64_t lowest_free_descriptor() noexcept;

class descriptor_reserve {
 public:
  using measure = std::function<std::uint64_t()>;

  /// So many of `limit` are kept back. `in_use` says how many are open, whoever opened them.
  descriptor_reserve(std::uint64_t limit, std::uint64_t reserved,
                     measure in_use = lowest_free_descriptor);
  descriptor_reserve(const descriptor_reserve&) = delete;
  descriptor_reserve& operator=(const descriptor_reserve&) = delete;

  /// Whether one more connection may be accepted.
  bool has_room() const;
  std::uint64_t connections() const noexcept { return connections_; }

  /// Counts one connection for as long as it lives.
  class lease {
   public:
    explicit lease(descriptor_reserve& of) noexcept : of_(&of) { ++of_->connections_; }
    lease(lease&& other) noexcept : of_(other.of_) { other.of_ = nullptr; }
    lease& operator=(lease&&) = delete;
    ~lease() {
      if (of_ != nullptr) --of_->connections_;
    }

   private:
    descriptor_reserve* of_;
  };

 private:
  const std::uint64_t usable_;
  const measure in_use_;
  std::atomic<std::uint64_t> connections_{0};
};

}  // namespace relais::net
