// The one place that says how a connection to a next hop must be protected, and who said so. Today
// the configuration; DANE and MTA-STS will be further sources behind the same answer. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/route.hpp"

namespace relais::policy {

struct tls_policy {
  smtp::tls_level level = smtp::tls_level::may;
  std::string source;  ///< who decided: "relais.yaml:12: routes", "delivery.tls", "login"
  std::vector<std::string> verify_names;  ///< of which the certificate carries one; ".example" too;
                                          ///< empty: the name of the host
  std::vector<std::string> fingerprints;  ///< 64 lower hex digits each
  friend bool operator==(const tls_policy&, const tls_policy&) = default;
};

/// Of the destination; the same for all of its hosts. `verify` for hosts found by MX of a
/// recipient's domain means the name of the MX host: no protection against a forged DNS answer.
tls_policy tls_policy_of(const route& way, const next_hop& hop);

}  // namespace relais::policy
