// proxy-protocol.txt of HAProxy, sections 2.1 and 2.2.
#include "net/proxy_protocol.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace relais::net {
namespace {

using state = proxy_header::state;

constexpr std::string_view v1_prefix = "PROXY ";
constexpr std::string_view v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t longest_v1 = 107;  // with CRLF
constexpr std::size_t v2_fixed = 16;
constexpr std::size_t longest_v2_rest = longest_proxy_header - v2_fixed;

proxy_header verdict(state is, std::size_t length = 0) {
  proxy_header h;
  h.is = is;
  h.length = length;
  return h;
}

// --- version 1, a line
// -----------------------------------------------------------------------------

std::optional<std::uint16_t> port_of(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return {};
  const auto number = parse_number(text);
  if (!number || *number > 65535) return {};
  return static_cast<std::uint16_t>(*number);
}

std::optional<endpoint> v1_end(std::string_view address, std::string_view port, bool v6) {
  if ((address.find(':') != std::string_view::npos) != v6) return {};
  const auto a = ip_address::parse(address);
  const auto p = port_of(port);
  if (!a || !p) return {};
  return endpoint{*a, *p};
}

proxy_header v1_line(std::string_view line) {
  const auto words = split(line.substr(v1_prefix.size()), ' ');
  auto h = verdict(state::complete, line.size() + 2);
  // What follows UNKNOWN is to be ignored.
  if (words.front() == "UNKNOWN") return h;
  const bool v6 = words.front() == "TCP6";
  if ((words.front() != "TCP4" && !v6) || words.size() != 5) return verdict(state::malformed);
  h.client = v1_end(words[1], words[3], v6);
  h.server = v1_end(words[2], words[4], v6);
  return h.client && h.server ? h : verdict(state::malformed);
}

proxy_header parse_v1(std::string_view octets) {
  const auto start = octets.substr(0, longest_v1);
  const auto end = start.find("\r\n");
  const auto line = start.substr(0, end);
  // A CR may still get its LF.
  const bool ends_in_cr = end == std::string_view::npos && line.ends_with('\r');
  const auto text = ends_in_cr ? line.substr(0, line.size() - 1) : line;
  if (std::ranges::any_of(text, is_control)) return verdict(state::malformed);
  if (end != std::string_view::npos) return v1_line(line);
  return verdict(octets.size() < longest_v1 ? state::incomplete : state::malformed);
}

// --- version 2, binary
// -----------------------------------------------------------------------------

std::uint8_t octet_at(std::string_view octets, std::size_t i) {
  return static_cast<std::uint8_t>(octets[i]);
}

std::uint16_t number_at(std::string_view octets, std::size_t i) {
  return static_cast<std::uint16_t>((octet_at(octets, i) << 8) | octet_at(octets, i + 1));
}

ip_address address_at(std::string_view octets, std::size_t i, bool v6) {
  if (!v6) {
    return ip_address::v4(std::uint32_t{number_at(octets, i)} << 16 | number_at(octets, i + 2));
  }
  ip_address::octets all;
  std::ranges::transform(octets.substr(i, all.size()), all.begin(),
                         [](char c) { return static_cast<std::uint8_t>(c); });
  return ip_address::v6(all);
}

struct command {
  static constexpr int local = 0, proxy = 1;
};

// Family and transport; only streams make sense here.
enum class family : std::uint8_t { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, local = 0x31 };

bool is_known(std::uint8_t value) {
  return value == static_cast<std::uint8_t>(family::unspecified) ||
         value == static_cast<std::uint8_t>(family::tcp4) ||
         value == static_cast<std::uint8_t>(family::tcp6) ||
         value == static_cast<std::uint8_t>(family::local);
}

std::size_t addresses_size(family f) {
  switch (f) {
    case family::unspecified: return 0;
    case family::tcp4: return 2 * (4 + 2);
    case family::tcp6: return 2 * (16 + 2);
    case family::local: return 2 * 108;
  }
  return 0;
}

void read_addresses(std::string_view octets, family f, proxy_header& into) {
  if (f != family::tcp4 && f != family::tcp6) return;
  const bool v6 = f == family::tcp6;
  const std::size_t size = v6 ? 16 : 4;
  into.client = endpoint{address_at(octets, 0, v6), number_at(octets, 2 * size)};
  into.server = endpoint{address_at(octets, size, v6), number_at(octets, 2 * size + 2)};
}

proxy_header parse_v2(std::string_view octets) {
  constexpr std::size_t command_at = 12, family_at = 13, length_at = 14;
  if (octets.size() > command_at) {
    const int version = octet_at(octets, command_at) >> 4;
    const int what = octet_at(octets, command_at) & 15;
    if (version != 2 || (what != command::local && what != command::proxy)) {
      return verdict(state::malformed);
    }
  }
  if (octets.size() < v2_fixed) return verdict(state::incomplete);
  const bool local = (octet_at(octets, command_at) & 15) == command::local;
  const std::size_t rest = number_at(octets, length_at);
  if (rest > longest_v2_rest) return verdict(state::malformed);
  const auto value = octet_at(octets, family_at);
  const auto f = static_cast<family>(value);
  // The balancer's own connections may say what they like about addresses.
  if (!local && (!is_known(value) || rest < addresses_size(f))) return verdict(state::malformed);
  if (octets.size() - v2_fixed < rest) return verdict(state::incomplete);
  auto h = verdict(state::complete, v2_fixed + rest);
  // Behind the addresses are extensions (TLVs), none of which we need.
  if (!local) read_addresses(octets.substr(v2_fixed), f, h);
  return h;
}

bool begins_like(std::string_view octets, std::string_view what) {
  return octets.substr(0, what.size()) == what.substr(0, octets.size());
}

}  // namespace

proxy_header parse_proxy_header(std::string_view octets) {
  if (begins_like(octets, v2_signature)) {
    return octets.size() < v2_signature.size() ? verdict(state::incomplete) : parse_v2(octets);
  }
  if (!begins_like(octets, v1_prefix)) return verdict(state::malformed);
  return octets.size() < v1_prefix.size() ? verdict(state::incomplete) : parse_v1(octets);
}

}  // namespace relais::net
