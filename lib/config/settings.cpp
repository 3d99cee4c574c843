// The defaults that are lists: loopback only, so that a daemon started without any configuration
// serves its own host and nobody else.
#include "config/settings.hpp"

namespace relais::config {

std::string source_place::text() const {
  return file.empty() ? std::string() : file + ':' + std::to_string(line);
}

relay_settings::relay_settings()
    : trusted_networks{*ip_network::parse("127.0.0.0/8"), *ip_network::parse("::1/128")} {}

settings::settings()
    : listeners{{*endpoint::parse("127.0.0.1:25")}, {*endpoint::parse("[::1]:25")}} {}

}  // namespace relais::config
