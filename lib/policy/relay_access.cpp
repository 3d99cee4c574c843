#include "policy/relay_access.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::policy {

namespace {

std::string plain_fingerprint(std::string_view text) {
  auto plain = to_lower(text);
  std::erase(plain, ':');
  return plain;
}

}  // namespace

bool is_listed_domain(std::string_view domain, const std::vector<std::string>& domains) {
  return std::ranges::any_of(domains, [&](const std::string& listed) {
    if (!listed.starts_with('.')) return iequals(domain, listed);
    return domain.size() > listed.size() &&
           iequals(domain.substr(domain.size() - listed.size()), listed);
  });
}

bool looks_routed(const smtp::path& forward_path) noexcept {
  return forward_path.local_part().find_first_of("%!@") != std::string::npos;
}

relay_access::relay_access(const config::relay_settings& settings) : settings_(settings) {
  for (auto& f : settings_.trusted_certificates) f = plain_fingerprint(f);
}

bool relay_access::is_trusted_certificate(std::string_view fingerprint) const {
  const auto plain = plain_fingerprint(fingerprint);
  return !plain.empty() && std::ranges::find(settings_.trusted_certificates, plain) !=
                               settings_.trusted_certificates.end();
}

bool relay_access::may_relay(bool permitted, const smtp::path& forward_path) const {
  if (permitted) return true;
  // RFC 5321 4.5.1: <postmaster> without a domain is always accepted.
  if (forward_path.domain().empty()) return true;
  return is_listed_domain(forward_path.domain(), settings_.domains);
}

}  // namespace relais::policy
