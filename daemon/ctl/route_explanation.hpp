// `relaisctl route test`: why mail takes its way, and all that relaisd would do on it, for people
// and as JSON. Pure; what the DNS says is handed in.
#pragma once

#include <string>
#include <vector>

#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/route_hosts.hpp"
#include "policy/route.hpp"
#include "policy/tls_policy.hpp"

namespace relais::ctl {

struct route_question {
  smtp::path to, from;
  std::string user, listener;  ///< "" = none
};

/// When attempts would be made, each counted from the arrival, jitter left out.
struct attempt_times {
  std::vector<duration> at;  ///< the first ones; the first is 0
  duration then_every{0};    ///< behind them; 0 = there are no further ones
  duration lifetime{0};
};
attempt_times times_of(const policy::retry_schedule& schedule, bool is_report);

struct route_explanation {
  struct passed_over {
    std::string name, place, mismatch;
  };
  route_question question;
  std::vector<passed_over> passed;  ///< rows before the one that decided
  policy::route way;
  policy::next_hop hop;
  std::string next_hop, fallback;  ///< as in logs; "" = none
  policy::tls_policy tls;
  attempt_times attempts;
  std::vector<host_answer> hosts, fallback_hosts;
};

/// All but the answers of the DNS.
route_explanation explain(const policy::routes& ways, const route_question& question);

/// no_host: the mail would go back to its sender; temporary: it would wait.
exit_code verdict_of(const route_explanation& found) noexcept;

std::string to_text(const route_explanation& found);
/// One object, without a line end.
std::string to_json(const route_explanation& found);

/// "may", "encrypt"...
std::string_view level_name(smtp::tls_level level) noexcept;
std::string_view action_name(config::route_action action) noexcept;
/// "null_mx", "temporary"...; "" for none.
std::string_view fault_name(dns::host_fault fault) noexcept;

}  // namespace relais::ctl
