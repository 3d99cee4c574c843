#include "daemon/ctl/route_explanation.hpp"

#include <algorithm>

namespace relais::ctl {

attempt_times times_of(const policy::retry_schedule& schedule, bool is_report) {
  constexpr std::size_t most = 16;
  attempt_times times;
  times.lifetime = is_report ? schedule.bounce_lifetime : schedule.lifetime;
  times.at.push_back(duration{0});
  if (schedule.intervals.empty()) return times;
  for (std::size_t i = 0;; ++i) {
    const auto wait = schedule.intervals[std::min(i, schedule.intervals.size() - 1)];
    const auto next = times.at.back() + wait;
    if (next >= times.lifetime) {
      times.at.push_back(times.lifetime);  // the last attempt is made when the time is over
      return times;
    }
    if (times.at.size() == most) {
      times.then_every = wait;
      return times;
    }
    times.at.push_back(next);
  }
}

route_explanation explain(const policy::routes& ways, const route_question& question) {
  route_explanation found;
  found.question = question;
  const policy::route_subject subject{question.to, question.from, question.user, question.listener};
  found.hop = ways.find(subject);
  for (std::size_t i = 0; i < found.hop.route; ++i) {
    const auto& way = *ways.all()[i];
    found.passed.push_back({way.name, way.place.text(), std::string(ways.mismatch(i, subject))});
  }
  found.way = ways.at(found.hop);
  found.next_hop = ways.text(found.hop);
  found.tls = policy::tls_policy_of(found.way, found.hop);
  found.attempts = times_of(found.way.retry, question.from.is_null());
  if (!found.way.fallback.empty()) {
    auto fallback = found.hop;
    fallback.is_fallback = true;
    found.fallback = ways.text(fallback);
  }
  return found;
}

exit_code verdict_of(const route_explanation& found) noexcept {
  if (found.way.action == config::route_action::error) return exit_code::no_host;
  if (found.way.action != config::route_action::relay) return exit_code::ok;
  if (std::ranges::any_of(found.hosts, &host_answer::is_usable)) return exit_code::ok;
  // What the owner of this machine has named and the DNS does not know waits to be put right.
  const auto waits = [](const host_answer& a) {
    return a.at.is_chosen || a.found.fault == dns::host_fault::temporary;
  };
  return std::ranges::any_of(found.hosts, waits) ? exit_code::temporary : exit_code::no_host;
}

std::string_view level_name(smtp::tls_level level) noexcept {
  switch (level) {
    case smtp::tls_level::none: return "none";
    case smtp::tls_level::may: return "may";
    case smtp::tls_level::encrypt: return "encrypt";
    case smtp::tls_level::verify: return "verify";
    case smtp::tls_level::fingerprint: return "fingerprint";
  }
  return {};
}

std::string_view action_name(config::route_action action) noexcept {
  switch (action) {
    case config::route_action::relay: return "relay";
    case config::route_action::discard: return "discard";
    case config::route_action::error: return "error";
    case config::route_action::hold: return "hold";
  }
  return {};
}

std::string_view fault_name(dns::host_fault fault) noexcept {
  switch (fault) {
    case dns::host_fault::none: return {};
    case dns::host_fault::no_such_domain: return "no_such_domain";
    case dns::host_fault::no_mail_host: return "no_mail_host";
    case dns::host_fault::null_mx: return "null_mx";
    case dns::host_fault::loops_to_self: return "loops_to_self";
    case dns::host_fault::forbidden_address: return "forbidden_address";
    case dns::host_fault::temporary: return "temporary";
  }
  return {};
}

}  // namespace relais::ctl
