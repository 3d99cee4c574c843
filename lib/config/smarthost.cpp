#include "config/smarthost.hpp"

#include "base/ip.hpp"
#include "base/text.hpp"
#include "config/host_name.hpp"

namespace relais::config {

std::optional<smarthost_target> parse_smarthost(std::string_view text, std::uint16_t default_port) {
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == std::string_view::npos) return {};
  const auto host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  const auto rest = end == std::string_view::npos ? "" : text.substr(bracketed ? end + 1 : end);

  smarthost_target target{std::string(host), default_port, !bracketed};
  if (!rest.empty()) {
    const auto port = rest.front() == ':' ? parse_number(rest.substr(1)) : std::nullopt;
    if (!port || *port == 0 || *port > 65535) return {};
    target.port = static_cast<std::uint16_t>(*port);
  }
  if (const auto address = ip_address::parse(host)) {
    target.host = address->text();
    target.lookup_mx = false;
    return target;
  }
  if (!is_host_name(host)) return {};
  target.host = to_lower(host);
  return target;
}

}  // namespace relais::config
