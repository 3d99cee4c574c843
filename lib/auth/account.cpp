// Which senders an account may use. Case does not count: people type their own address as they
// like, and no domain gives JOE to somebody else than joe.
#include <algorithm>

#include "auth/authenticator.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

bool allows(std::string_view pattern, const smtp::path& sender) {
  if (pattern == "*") return true;
  const auto at = pattern.rfind('@');
  if (at == std::string_view::npos) return false;
  return iequals(pattern.substr(at + 1), sender.domain()) &&
         (at == 0 || iequals(pattern.substr(0, at), sender.local_part()));
}

}  // namespace

bool account::may_send_as(const smtp::path& sender) const {
  if (sender.is_null()) return true;
  if (!senders.empty()) {
    return std::ranges::any_of(senders, [&](const auto& s) { return allows(s, sender); });
  }
  const auto own = smtp::parse_address(user);
  const bool is_address = own && !own->is_null() && !own->domain().empty();
  if (!is_address) return iequals(user, sender.local_part());
  return iequals(own->local_part(), sender.local_part()) && iequals(own->domain(), sender.domain());
}

}  // namespace relais::auth
