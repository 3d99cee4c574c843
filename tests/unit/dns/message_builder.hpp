// Writes DNS response messages octet by octet for tests, without compression unless a row brings
// its own octets: as little cleverness as possible, so that it can be trusted against the parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.hpp"
#include "dns/answer_parser.hpp"

namespace relais::testing {

inline std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 255), static_cast<char>(value & 255)};
}
inline std::string u32(std::uint32_t value) {
  return u16(value >> 16) + u16(value & 0xffff);
}

/// "a.b" as labels; "" is the root.
inline std::string wire_name(std::string_view name) {
  std::string octets;
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    octets += static_cast<char>(label.size());
    octets += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return octets + '\0';
}

inline std::string wire_address(std::string_view text) {
  const auto address = ip_address::parse(text).value();
  if (!address.is_v6()) return u32(address.as_v4());
  return {address.as_v6().begin(), address.as_v6().end()};
}

class message_builder {
 public:
  /// Flags: 0x8180 is the usual answer of a recursive server; the last digit is the rcode.
  message_builder(std::string_view name, dns::record_type type, unsigned flags = 0x8180)
      : flags_(flags), question_(wire_name(name) + u16(static_cast<unsigned>(type)) + u16(1)) {}

  message_builder& id(std::string_view two_octets) {
    id_ = two_octets;
    return *this;
  }
  message_builder& record(std::string_view owner_octets, unsigned type, std::uint32_t ttl,
                          std::string_view data, unsigned record_class = 1) {
    answers_ += one(owner_octets, type, ttl, data, record_class);
    ++answer_count_;
    return *this;
  }
  message_builder& mx(std::string_view owner, unsigned preference, std::string_view exchange,
                      std::uint32_t ttl = 300) {
    return record(wire_name(owner), 15, ttl, u16(preference) + wire_name(exchange));
  }
  message_builder& cname(std::string_view owner, std::string_view target, std::uint32_t ttl = 300) {
    return record(wire_name(owner), 5, ttl, wire_name(target));
  }
  message_builder& pointer(std::string_view owner, std::string_view name, std::uint32_t ttl = 300) {
    return record(wire_name(owner), 12, ttl, wire_name(name));
  }
  message_builder& address(std::string_view owner, std::string_view text, std::uint32_t ttl = 300) {
    const auto data = wire_address(text);
    return record(wire_name(owner), data.size() == 4 ? 1 : 28, ttl, data);
  }
  message_builder& soa(std::string_view owner, std::uint32_t ttl, std::uint32_t minimum) {
    const auto data = wire_name("ns.test") + wire_name("root.test") + u32(1) + u32(2) + u32(3) +
                      u32(4) + u32(minimum);
    authorities_ += one(wire_name(owner), 6, ttl, data, 1);
    ++authority_count_;
    return *this;
  }
  message_builder& name_server(std::string_view owner, std::string_view host) {
    authorities_ += one(wire_name(owner), 2, 300, wire_name(host), 1);
    ++authority_count_;
    return *this;
  }

  std::string text() const {
    return id_ + u16(flags_) + u16(1) + u16(answer_count_) + u16(authority_count_) + u16(0) +
           question_ + answers_ + authorities_;
  }
  std::vector<std::uint8_t> octets() const {
    const auto all = text();
    return {all.begin(), all.end()};
  }

 private:
  static std::string one(std::string_view owner, unsigned type, std::uint32_t ttl,
                         std::string_view data, unsigned record_class) {
    return std::string(owner) + u16(type) + u16(record_class) + u32(ttl) +
           u16(static_cast<unsigned>(data.size())) + std::string(data);
  }

  unsigned flags_;
  std::string id_ = "\x12\x34";
  std::string question_, answers_, authorities_;
  unsigned answer_count_ = 0, authority_count_ = 0;
};

}  // namespace relais::testing
