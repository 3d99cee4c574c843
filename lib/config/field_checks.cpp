#include "config/field_checks.hpp"

#include <algorithm>

#include "base/ip.hpp"
#include "base/text.hpp"
#include "config/host_name.hpp"
#include "config/smarthost.hpp"

namespace relais::config {

std::string check_host_name(std::string_view text) {
  if (is_host_name(text)) return {};
  return "is not a host name: letters, digits, hyphens and dots, as in mail.example.org";
}

std::string check_user_name(std::string_view text) {
  const bool good =
      text.size() <= 32 && !text.starts_with('-') && std::ranges::all_of(text, [](char c) {
        return is_alnum(c) || c == '_' || c == '-' || c == '.';
      });
  return good ? "" : "is not a user name: letters, digits, dots, hyphens and underscores";
}

std::string check_domain(std::string_view text) {
  const auto name = text.starts_with('.') ? text.substr(1) : text;
  if (is_host_name(name)) return {};
  return "is not a domain: write example.org, or .example.org for its subdomains, too";
}

std::string check_smarthost(std::string_view text) {
  if (parse_smarthost(text, 25)) return {};
  return "is not a next hop: write relay.example:587 (found by its MX records), "
         "[relay.example]:587 (that very host), [192.0.2.1]:25 or [2001:db8::1]:25";
}

std::string check_endpoint(std::string_view text) {
  if (text.empty() || endpoint::parse(text)) return {};
  return "is not an address and a port: write 127.0.0.1:9025 or [::1]:9025";
}

std::string check_trusted_network(std::string_view text) {
  const auto network = ip_network::parse(text);
  if (!network) return {};  // the type has complained already
  if (network->prefix_length() == 0) {
    return "is the whole internet: relais would be an open relay, which spammers find within "
           "hours; "
           "list the networks of your own hosts";
  }
  const unsigned widest = network->address().is_v6() ? 16 : 8;
  if (network->prefix_length() >= widest) return {};
  return "is far larger than a network of your own can be (at most a /" + std::to_string(widest) +
         "): relais would relay for strangers";
}

}  // namespace relais::config
