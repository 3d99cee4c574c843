#include "config/contradictions.hpp"

#include <algorithm>
#include <iterator>

namespace relais::config {
namespace {

void check_credentials(const settings& s, std::vector<contradiction>& found) {
  const bool password = !s.smarthost.password.empty() || !s.smarthost.password_file.empty();
  const bool username = !s.smarthost.username.empty();
  if (!s.smarthost.password.empty() && !s.smarthost.password_file.empty()) {
    found.push_back({{"smarthost.password_file", "smarthost.password"},
                     "smarthost.password and smarthost.password_file are both set: keep one"});
  }
  if (username && !password) {
    found.push_back({{"smarthost.username", "smarthost.password", "smarthost.password_file"},
                     "smarthost.username is set, but neither smarthost.password nor "
                     "smarthost.password_file"});
  }
  if (password && !username) {
    found.push_back({{"smarthost.password", "smarthost.password_file", "smarthost.username"},
                     "the smarthost's password is set, but not smarthost.username"});
  }
  if ((username || password) && s.smarthost.host.empty()) {
    found.push_back(
        {{"smarthost.username", "smarthost.password", "smarthost.password_file", "smarthost.host"},
         "the smarthost's credentials are set, but not smarthost.host"});
  }
  if (username && s.delivery.tls == tls_choice::none) {
    found.push_back({{"delivery.tls", "smarthost.username"},
                     "credentials are never sent without TLS: with smarthost.username, "
                     "delivery.tls must be encrypt or verify"});
  }
}

void check_listeners(const settings& s, std::vector<contradiction>& found) {
  for (auto at = s.listeners.begin(); at != s.listeners.end(); ++at) {
    const auto before = std::find_if(s.listeners.begin(), at, [&](const listener& other) {
      return other.address == at->address;
    });
    if (before == at) continue;
    found.push_back({{"listeners"}, "two listeners have the address " + at->address.text()});
  }
}

}  // namespace

std::vector<contradiction> contradictions(const settings& s) {
  std::vector<contradiction> found;
  check_credentials(s, found);
  check_listeners(s, found);
  if (!s.delivery.ipv4 && !s.delivery.ipv6) {
    found.push_back({{"delivery.ipv6", "delivery.ipv4"},
                     "delivery.ipv4 and delivery.ipv6 are both false: no mail could leave"});
  }
  if (s.spool.inline_max.bytes > s.spool.segment_size.bytes / 4) {
    found.push_back({{"spool.inline_max", "spool.segment_size"},
                     "spool.inline_max (" + to_text(s.spool.inline_max) +
                         ") is larger than a quarter of spool.segment_size (" +
                         to_text(s.spool.segment_size) + ")"});
  }
  return found;
}

}  // namespace relais::config
