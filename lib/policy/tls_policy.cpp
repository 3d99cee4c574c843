#include "policy/tls_policy.hpp"

namespace relais::policy {
namespace {

smtp::tls_level level_of(config::tls_choice choice) noexcept {
  switch (choice) {
    case config::tls_choice::none: return smtp::tls_level::none;
    case config::tls_choice::automatic:
    case config::tls_choice::may: return smtp::tls_level::may;
    case config::tls_choice::encrypt: return smtp::tls_level::encrypt;
    case config::tls_choice::verify: return smtp::tls_level::verify;
    case config::tls_choice::fingerprint: return smtp::tls_level::fingerprint;
  }
  return smtp::tls_level::encrypt;
}

}  // namespace

tls_policy tls_policy_of(const route& way, const next_hop&) {
  tls_policy answer;
  answer.level = level_of(way.tls);
  answer.source = way.tls_source;
  if (way.login && answer.level < smtp::tls_level::encrypt) {
    answer.level = smtp::tls_level::encrypt;  // credentials never travel in clear
    answer.source = "login";
  }
  if (answer.level == smtp::tls_level::verify) answer.verify_names = way.verify_names;
  if (answer.level == smtp::tls_level::fingerprint) answer.fingerprints = way.fingerprints;
  return answer;
}

}  // namespace relais::policy
