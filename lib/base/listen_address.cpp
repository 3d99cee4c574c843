// The text forms of listen_address.
#include "base/listen_address.hpp"

#include "base/text.hpp"

namespace relais {
namespace {

constexpr std::string_view systemd_prefix = "systemd:";
constexpr std::size_t longest_path = 107;  // sockaddr_un

}  // namespace

std::optional<listen_address> listen_address::parse(std::string_view text) {
  listen_address made;
  if (text.starts_with('/')) {
    if (text.size() > longest_path || text.ends_with('/')) return {};
    made.is = kind::local;
    made.name = text;
    return made;
  }
  if (text.starts_with(systemd_prefix)) {
    made.is = kind::inherited;
    made.name = text.substr(systemd_prefix.size());
    if (made.name.empty()) return {};
    return made;
  }
  if (text.starts_with("*:") || text.starts_with(':')) {
    const auto port = parse_number(text.substr(text.find(':') + 1));
    if (!port || *port > 65535) return {};
    made.is = kind::any;
    made.at.port = static_cast<std::uint16_t>(*port);
    return made;
  }
  const auto parsed = endpoint::parse(text);
  if (!parsed) return {};
  made.at = *parsed;
  return made;
}

std::string listen_address::text() const {
  switch (is) {
    case kind::inet: return at.text();
    case kind::any: return "*:" + std::to_string(at.port);
    case kind::local: return name;
    case kind::inherited: return std::string(systemd_prefix) + name;
  }
  return {};
}

}  // namespace relais
