#include "base/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace relais {

ip_address ip_address::v4(std::uint32_t host_order) noexcept {
  ip_address a;
  for (unsigned i = 0; i < 4; ++i) {
    a.octets_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return a;
}

ip_address ip_address::v6(const octets& network_order) noexcept {
  static constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  ip_address a;
  if (std::memcmp(network_order.data(), mapped, sizeof mapped) == 0) {
    std::copy_n(network_order.begin() + 12, 4, a.octets_.begin());
    return a;
  }
  a.v6_ = true;
  a.octets_ = network_order;
  return a;
}

std::optional<ip_address> ip_address::parse(std::string_view text) noexcept {
  char buffer[INET6_ADDRSTRLEN + 1] = {};
  if (text.empty() || text.size() >= sizeof buffer) return {};
  std::copy(text.begin(), text.end(), buffer);
  if (text.find('\0') != std::string_view::npos) return {};
  in_addr four{};
  if (::inet_pton(AF_INET, buffer, &four) == 1) return v4(ntohl(four.s_addr));
  in6_addr six{};
  if (::inet_pton(AF_INET6, buffer, &six) != 1) return {};
  octets o{};
  std::memcpy(o.data(), &six, o.size());
  return v6(o);
}

std::uint32_t ip_address::as_v4() const noexcept {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value = value << 8 | octets_[i];
  return value;
}

bool ip_address::is_loopback() const noexcept {
  if (!v6_) return octets_[0] == 127;
  return std::all_of(octets_.begin(), octets_.end() - 1, [](auto o) { return o == 0; }) &&
         octets_[15] == 1;
}

bool ip_address::is_unspecified() const noexcept {
  return std::ranges::all_of(octets_, [](auto o) { return o == 0; });
}

bool ip_address::is_special() const noexcept {
  if (is_loopback() || is_unspecified()) return true;
  const auto& o = octets_;
  if (v6_) {
    return o[0] == 0xff || (o[0] & 0xfe) == 0xfc || (o[0] == 0xfe && (o[1] & 0x80) == 0x80);
  }
  return o[0] == 0 || o[0] == 10 || (o[0] == 172 && (o[1] & 0xf0) == 16) ||
         (o[0] == 192 && o[1] == 168) || (o[0] == 169 && o[1] == 254) ||
         (o[0] == 100 && (o[1] & 0xc0) == 64) || o[0] >= 224;
}

std::string ip_address::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(v6_ ? AF_INET6 : AF_INET, octets_.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<ip_network> ip_network::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = ip_address::parse(text.substr(0, slash));
  if (!address) return {};
  ip_network n;
  n.address_ = *address;
  n.length_ = address->is_v6() ? 128 : 32;
  if (slash != std::string_view::npos) {
    const auto length = parse_number(text.substr(slash + 1));
    if (!length || *length > n.length_) return {};
    n.length_ = static_cast<unsigned>(*length);
  }
  // Host bits that are set are a typing error (10.0.0.1/8): which network was meant?
  ip_network masked = n;
  ip_address::octets o{};
  if (address->is_v6()) {
    o = address->as_v6();
  } else {
    const auto four = address->as_v4();
    for (unsigned i = 0; i < 4; ++i) o[i] = static_cast<std::uint8_t>(four >> (24 - 8 * i));
  }
  const unsigned bits = address->is_v6() ? 128 : 32;
  for (unsigned bit = n.length_; bit < bits; ++bit) {
    if (o[bit / 8] & (0x80u >> (bit % 8))) return {};
  }
  return masked;
}

bool ip_network::contains(const ip_address& address) const noexcept {
  if (address.is_v6() != address_.is_v6()) return false;
  if (!address.is_v6()) {
    const auto mask = length_ == 0 ? 0u : ~std::uint32_t{0} << (32 - length_);
    return ((address.as_v4() ^ address_.as_v4()) & mask) == 0;
  }
  for (unsigned i = 0; i < 16 && i * 8 < length_; ++i) {
    const auto left = length_ - i * 8;
    const auto mask = left >= 8 ? 0xffu : (0xff00u >> left) & 0xffu;
    if (((address.as_v6()[i] ^ address_.as_v6()[i]) & mask) != 0) return false;
  }
  return true;
}

std::string ip_address::reversed() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  const auto append = [&](std::string_view part) {
    if (!text.empty()) text += '.';
    text += part;
  };
  for (std::size_t i = v6_ ? 16 : 4; i-- > 0;) {
    if (!v6_) {
      append(std::to_string(octets_[i]));
      continue;
    }
    append({&digits[octets_[i] & 15], 1});
    append({&digits[octets_[i] >> 4], 1});
  }
  return text;
}

std::string ip_network::text() const {
  return address_.text() + '/' + std::to_string(length_);
}

bool is_in_any(const ip_address& address, std::span<const ip_network> networks) noexcept {
  return std::ranges::any_of(networks,
                             [&](const ip_network& one) { return one.contains(address); });
}

std::optional<endpoint> endpoint::parse(std::string_view text) noexcept {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = ip_address::parse(host);
  const auto port = parse_number(text.substr(colon + 1));
  if (!address || !port || *port > 65535) return {};
  if (!bracketed && host.find(':') != std::string_view::npos) return {};
  return endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string endpoint::text() const {
  const auto port_text = std::to_string(port);
  return address.is_v6() ? '[' + address.text() + "]:" + port_text
                         : address.text() + ':' + port_text;
}

}  // namespace relais
