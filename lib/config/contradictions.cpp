#include "config/contradictions.hpp"

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"

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

void check_tokens(const token_settings& t, std::vector<contradiction>& found) {
  const bool secret = !t.client_secret.empty() || !t.client_secret_file.empty();
  if (!t.client_secret.empty() && !t.client_secret_file.empty()) {
    found.push_back({{"auth.tokens.client_secret_file", "auth.tokens.client_secret"},
                     "auth.tokens.client_secret and auth.tokens.client_secret_file are both set: "
                     "keep one"});
  }
  if (secret && t.client_id.empty()) {
    found.push_back(
        {{"auth.tokens.client_secret", "auth.tokens.client_secret_file", "auth.tokens.client_id"},
         "auth.tokens.client_secret is set, but not auth.tokens.client_id"});
  }
  if (!t.client_id.empty() && t.introspection_url.empty()) {
    found.push_back({{"auth.tokens.client_id", "auth.tokens.introspection_url"},
                     "auth.tokens.client_id is set, but not auth.tokens.introspection_url"});
  }
}

void check_greylist(const greylist_settings& g, std::vector<contradiction>& found) {
  if (g.retry_window > g.delay) return;
  found.push_back({{"policy.greylist.retry_window", "policy.greylist.delay"},
                   "policy.greylist.retry_window (" + to_text(g.retry_window) +
                       ") is not longer than policy.greylist.delay (" + to_text(g.delay) +
                       "): nobody would ever pass"});
}

/// An item that says twice what one before it says.
void check_doubles(const settings& s, std::vector<contradiction>& found) {
  const auto& texts = s.replies;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto same = [&](const reply_text& other) { return other.reply == texts[i].reply; };
    if (std::ranges::find_if(texts, same) - texts.begin() == static_cast<std::ptrdiff_t>(i))
      continue;
    found.push_back({{"replies"}, "replies has two texts for " + texts[i].reply, i});
  }
  const auto& logins = s.auth.certificates;
  for (std::size_t i = 0; i < logins.size(); ++i) {
    const auto same = [&](const auto& other) { return other.fingerprint == logins[i].fingerprint; };
    if (std::ranges::find_if(logins, same) - logins.begin() == static_cast<std::ptrdiff_t>(i))
      continue;
    found.push_back({{"auth.certificates"},
                     "auth.certificates names two users for one fingerprint, the second is " +
                         printable(logins[i].user, 100),
                     i});
  }
}

}  // namespace

std::vector<contradiction> contradictions(const settings& s) {
  std::vector<contradiction> found;
  check_credentials(s, found);
  check_listeners(s, found);
  check_routes(s, found);
  check_tokens(s.auth.tokens, found);
  check_greylist(s.policy.greylist, found);
  check_doubles(s, found);
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
