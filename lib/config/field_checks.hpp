// Checks of single values that their type cannot express; each returns "" or the end of a sentence
// that begins with the quoted value. Internal to config/.
#pragma once

#include <string>
#include <string_view>

namespace relais::config {

std::string check_host_name(std::string_view text);
std::string check_user_name(std::string_view text);
/// "example.org", or ".example.org" for the subdomains, too.
std::string check_domain(std::string_view text);
std::string check_smarthost(std::string_view text);
/// An address and a port of this host: 127.0.0.1:9025, [::1]:9025.
std::string check_endpoint(std::string_view text);
/// Networks so wide that trusting them makes an open relay.
std::string check_trusted_network(std::string_view text);

}  // namespace relais::config
