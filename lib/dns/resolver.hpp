// Name resolution as delivery sees it: the injected interface; c-ares stands behind it in the real
// world, a scripted zone in tests. Answers are already filtered: a record whose owner is not the
// name asked (or the end of its CNAME chain) is not in them, and names follow the host-name
// grammar.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip.hpp"
#include "base/result.hpp"
#include "dns/records.hpp"
#include "net/task.hpp"

namespace relais::dns {

/// Errors of both: not_found (NXDOMAIN), no_data (the name exists, no such record), dns_temporary
/// (SERVFAIL, REFUSED, timeout, broken answer, CNAME loop): only the first two are a "no" of the
/// DNS. Besides: syntax (no host name, or not allowed by IDNA: permanent, nothing was asked) and
/// cancelled (the waiting coroutine or the resolver itself is going away).
class resolver {
 public:
  virtual ~resolver() = default;
  virtual net::task<result<answer<mx_record>>> mx(std::string name) = 0;
  enum class family : std::uint8_t { v4, v6 };
  virtual net::task<result<answer<ip_address>>> addresses(std::string name, family which) = 0;
  /// The names of an address (PTR); not confirmed.
  virtual net::task<result<answer<std::string>>> names(ip_address address) = 0;
  /// For how many seconds the "no" that an awaited question has just returned may be remembered
  /// (RFC 2308); 0 = not at all. To be read before the asking coroutine suspends again.
  virtual std::uint32_t negative_ttl() const { return 0; }
};

}  // namespace relais::dns
