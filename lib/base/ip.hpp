// IP addresses, networks and endpoints as values, without Asio: policy and configuration are pure.
// IPv4-mapped IPv6 addresses (::ffff:192.0.2.1) are always held as the IPv4 address they are, so
// that a dual-stack listener and a trusted network of IPv4 agree.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace relais {

class ip_address {
 public:
  using octets = std::array<std::uint8_t, 16>;

  ip_address() = default;  ///< 0.0.0.0
  static ip_address v4(std::uint32_t host_order) noexcept;
  static ip_address v6(const octets& network_order) noexcept;
  /// A literal without brackets; no zone index, no leading zeros in IPv4 parts.
  static std::optional<ip_address> parse(std::string_view text) noexcept;

  bool is_v6() const noexcept { return v6_; }
  std::uint32_t as_v4() const noexcept;                     ///< precondition: !is_v6()
  const octets& as_v6() const noexcept { return octets_; }  ///< precondition: is_v6()
  bool is_loopback() const noexcept;
  bool is_unspecified() const noexcept;
  /// Loopback, unspecified, link-local, multicast, broadcast, private (RFC 1918, RFC 4193): no
  /// address that a public MX record should lead to.
  bool is_special() const noexcept;
  std::string text() const;
  /// Its parts in reverse order, as zones by address want them (RFC 1035 3.5, 3596 2.5, 5782 2.1):
  /// "1.2.0.192", or 32 hex digits with dots between them.
  std::string reversed() const;

  friend auto operator<=>(const ip_address&, const ip_address&) = default;

 private:
  bool v6_ = false;
  octets octets_{};  // IPv4 in the first four
};

class ip_network {
 public:
  ip_network() = default;
  /// "192.0.2.0/24", "2001:db8::/32", or a single address. Host bits must be zero.
  static std::optional<ip_network> parse(std::string_view text) noexcept;
  bool contains(const ip_address& address) const noexcept;
  std::string text() const;
  unsigned prefix_length() const noexcept { return length_; }
  const ip_address& address() const noexcept { return address_; }

  friend bool operator==(const ip_network&, const ip_network&) = default;

 private:
  ip_address address_;
  unsigned length_ = 32;
};

/// Whether one of the networks holds the address.
bool is_in_any(const ip_address& address, std::span<const ip_network> networks) noexcept;

struct endpoint {
  ip_address address;
  std::uint16_t port = 0;

  /// "192.0.2.1:25", "[2001:db8::1]:25".
  static std::optional<endpoint> parse(std::string_view text) noexcept;
  std::string text() const;
  friend auto operator<=>(const endpoint&, const endpoint&) = default;
};

}  // namespace relais
