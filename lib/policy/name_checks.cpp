#include "policy/name_checks.hpp"

#include "base/ip.hpp"

namespace relais::policy {

bool is_hello_syntax(std::string_view hello) noexcept {
  if (hello.starts_with('[')) return smtp::is_address_literal(hello);
  return smtp::is_domain(hello) && hello.find('.') != std::string_view::npos &&
         hello.find('_') == std::string_view::npos && !ip_address::parse(hello);
}

bool needs_addresses(looked_up mx) noexcept {
  return mx == looked_up::no_record;
}

domain_state judge_domain(looked_up mx, bool null_mx, looked_up v4, looked_up v6) noexcept {
  switch (mx) {
    case looked_up::found: return null_mx ? domain_state::null_mx : domain_state::good;
    case looked_up::no_name: return domain_state::unknown;  // RFC 8020: nothing below it, either
    case looked_up::failed: return domain_state::unresolved;
    case looked_up::no_record: break;
  }
  if (v4 == looked_up::found || v6 == looked_up::found) return domain_state::good;
  if (v4 == looked_up::failed || v6 == looked_up::failed) return domain_state::unresolved;
  return domain_state::unknown;
}

bool has_domain_in_dns(const smtp::path& address) noexcept {
  return !address.is_null() && !address.domain().empty() && !address.is_domain_literal();
}

std::optional<smtp::reply_id> refusal_of_sender(domain_state domain) noexcept {
  switch (domain) {
    case domain_state::good: break;
    case domain_state::null_mx: return smtp::reply_id::sender_null_mx;
    case domain_state::unknown: return smtp::reply_id::sender_domain_unknown;
    case domain_state::unresolved: return smtp::reply_id::sender_domain_unresolved;
  }
  return {};
}

std::optional<smtp::reply_id> refusal_of_recipient(domain_state domain) noexcept {
  switch (domain) {
    case domain_state::good: break;
    case domain_state::null_mx: return smtp::reply_id::recipient_null_mx;
    case domain_state::unknown: return smtp::reply_id::recipient_domain_unknown;
    case domain_state::unresolved: return smtp::reply_id::recipient_domain_unresolved;
  }
  return {};
}

std::optional<smtp::reply_id> refusal_of_client_name(config::reverse_dns_check check,
                                                     std::string_view name,
                                                     std::string_view unconfirmed,
                                                     bool lookup_failed) noexcept {
  const bool is_confirmed = name != "unknown";
  switch (check) {
    case config::reverse_dns_check::off: return {};
    case config::reverse_dns_check::name:
      if (is_confirmed || !unconfirmed.empty()) return {};
      break;
    case config::reverse_dns_check::confirmed:
      if (is_confirmed) return {};
      break;
  }
  return lookup_failed ? smtp::reply_id::reverse_dns_deferred : smtp::reply_id::reverse_dns_failed;
}

}  // namespace relais::policy
