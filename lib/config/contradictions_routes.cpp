// Routes and reply rules that could not work, or would do less than they say; credentials that
// would travel in clear or to anybody. RFC 2033 (LMTP), RFC 3207.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.hpp"
#include "config/contradictions.hpp"
#include "config/route_words.hpp"

namespace relais::config {
namespace {

using words = std::vector<std::string>;

tls_choice level_of(const settings& s, const route_settings& r) {
  return r.tls == tls_choice::automatic ? s.delivery.tls : r.tls;
}

bool any_target(const words& hops, auto is) {
  return std::ranges::any_of(hops, [&](const std::string& text) {
    const auto target = parse_next_hop(text, 25);
    return target && is(text, *target);
  });
}

bool has_socket(const words& hops) {
  return any_target(hops, [](auto&, const auto& target) { return target.is_local; });
}

/// Whether mail of this route may go to whatever hosts the recipient's domain names.
bool follows_recipient(const settings& s, const route_settings& r) {
  const auto is_mx = [](auto&, const next_hop_target& target) {
    return target.lookup_mx && target.host.empty();
  };
  if (r.next_hops.empty() && s.smarthost.host.empty()) return true;
  return any_target(r.next_hops, is_mx) || any_target(r.fallback, is_mx);
}

/// The route leads to the smarthost, with the smarthost's credentials.
std::string fault_of_smarthost_login(const settings& s, const route_settings& r) {
  if (s.smarthost.username.empty() || !r.username.empty() || !r.next_hops.empty() ||
      r.action != route_action::relay)
    return {};
  if (r.tls == tls_choice::none) {
    return "the smarthost's credentials are never sent without TLS: tls must not be none";
  }
  if (!r.fallback.empty()) {
    return "the smarthost's credentials would be sent to the fallback as well: write next_hops and "
           "username";
  }
  return {};
}

std::string fault_of_login(const settings& s, const route_settings& r) {
  const bool password = !r.password.empty() || !r.password_file.empty();
  if (!r.password.empty() && !r.password_file.empty()) {
    return "password and password_file are both set: keep one";
  }
  if (password && r.username.empty()) return "its password is set, but not its username";
  if (r.username.empty()) return {};
  if (!password) return "username is set, but neither password nor password_file";
  if (level_of(s, r) == tls_choice::none) {
    return "credentials are never sent without TLS: tls must not be none";
  }
  if (follows_recipient(s, r)) {
    return "credentials would be sent to the hosts of any domain: name the hosts in next_hops";
  }
  return {};
}

std::string fault_of_tls(const settings& s, const route_settings& r) {
  const auto level = level_of(s, r);
  if (level == tls_choice::fingerprint && r.fingerprints.empty()) {
    return "tls is fingerprint, but fingerprints is empty";
  }
  if (level != tls_choice::fingerprint && !r.fingerprints.empty()) {
    return "fingerprints need tls: fingerprint";
  }
  if (level != tls_choice::verify && !r.verify_names.empty()) {
    return "verify_names need tls: verify";
  }
  if (level != tls_choice::verify && !r.tls_ca_file.empty()) return "tls_ca_file needs tls: verify";
  if (!r.tls_key.empty() && r.tls_certificate.empty()) {
    return "tls_key is set, but not tls_certificate";
  }
  if (r.tls == tls_choice::verify && r.verify_names.empty() &&
      (has_socket(r.next_hops) || has_socket(r.fallback))) {
    return "a UNIX socket has no name that a certificate could have: tls: verify needs "
           "verify_names";
  }
  return {};
}

std::string fault_of_protocol(const route_settings& r) {
  if (r.protocol != route_protocol::lmtp) return {};
  if (r.next_hops.empty()) return "protocol lmtp needs next_hops";
  for (const auto* hops : {&r.next_hops, &r.fallback}) {
    if (any_target(*hops, [](auto&, const auto& target) { return target.lookup_mx; })) {
      return "MX hosts do not speak LMTP: write unix:/run/lmtp or [127.0.0.1]:24";
    }
    // RFC 2033 5: not the port of SMTP.
    if (any_target(*hops, [](const auto& text, const auto& target) {
          return !target.is_local && !has_written_port(text);
        })) {
      return "LMTP has no usual port: write it behind the host, as [127.0.0.1]:24";
    }
  }
  return {};
}

std::string fault_of_fallback(const route_settings& r) {
  const bool is_limited = r.fallback_attempts != 0 || r.fallback_time != duration{};
  if (r.fallback.empty() == !is_limited) return {};
  return is_limited ? "fallback_attempts and fallback_time need fallback"
                    : "fallback needs fallback_attempts or fallback_time";
}

/// Actions but relay send nothing.
std::string fault_of_action(const route_settings& r) {
  if (r.action != route_action::error && !r.text.empty()) return "text is for action error";
  if (r.action == route_action::relay) return {};
  auto sends = r;
  const route_settings nothing;
  sends.name = {};
  sends.recipients = sends.senders = sends.users = sends.listeners = {};
  sends.action = route_action::relay;
  sends.text = {};
  sends.place = {};
  if (sends == nothing) return {};
  return "action relay sends mail, the others do not: beside them, only name, recipients, senders, "
         "users, listeners and text make sense";
}

std::string fault_of_listeners(const settings& s, const route_settings& r) {
  for (const auto& address : r.listeners) {
    const auto is_it = [&](const listener& l) { return l.address.text() == address; };
    if (std::ranges::none_of(s.listeners, is_it)) {
      return "no listener has the address " + printable(address, 120);
    }
  }
  return {};
}

std::string fault_of(const settings& s, const route_settings& r) {
  for (auto fault :
       {fault_of_action(r), fault_of_login(s, r), fault_of_smarthost_login(s, r),
        fault_of_tls(s, r), fault_of_protocol(r), fault_of_fallback(r), fault_of_listeners(s, r)}) {
    if (!fault.empty()) return fault;
  }
  return {};
}

/// Finds rows that no mail can reach, as rows before them take all of theirs.
class reach_of_routes {
 public:
  /// The number of the row that takes everything from this one; 0 = none. Rows in order.
  std::size_t hidden_by(const route_settings& r, std::size_t number) {
    const auto by = catch_all_ != 0 ? catch_all_ : taker_of_all(r);
    if (r.senders.empty() && r.users.empty() && r.listeners.empty()) {
      if (r.recipients.empty() && catch_all_ == 0) catch_all_ = number;
      for (const auto& word : r.recipients) takers_.emplace(to_lower(word), number);
    }
    return by;
  }

 private:
  std::size_t taker_of_all(const route_settings& r) const {
    std::size_t last = 0;
    for (const auto& word : r.recipients) {
      const auto taker = taker_of(to_lower(word));
      if (taker == 0) return 0;
      last = std::max(last, taker);
    }
    return last;
  }

  std::size_t taker_of(const std::string& word) const {
    if (const auto found = takers_.find(word); found != takers_.end()) return found->second;
    const auto at = word.rfind('@');
    auto rest = at == std::string::npos ? word : word.substr(at + 1);
    if (at != std::string::npos) {
      for (const auto& wider : {word.substr(0, at + 1), rest}) {
        if (const auto found = takers_.find(wider); found != takers_.end()) return found->second;
      }
    }
    for (auto dot = rest.find('.', 1); dot != std::string::npos; dot = rest.find('.', dot + 1)) {
      const auto found = takers_.find(rest.substr(dot));
      if (found != takers_.end()) return found->second;
    }
    return 0;
  }

  std::size_t catch_all_ = 0;
  std::unordered_map<std::string, std::size_t> takers_;  // of rows with recipients only
};

std::string name_of(const route_settings& r, std::size_t number) {
  return r.name.empty() ? "route " + std::to_string(number)
                        : "route \"" + printable(r.name, 100) + '"';
}

}  // namespace

void check_routes(const settings& s, std::vector<contradiction>& found) {
  reach_of_routes reach;
  for (std::size_t i = 0; i < s.routes.size(); ++i) {
    const auto& r = s.routes[i];
    const auto name = name_of(r, i + 1) + ": ";
    if (const auto before = reach.hidden_by(r, i + 1); before != 0) {
      const auto& taker = s.routes[before - 1];
      found.push_back({{"routes"},
                       name + "it never matches, as " + name_of(taker, before) + " (" +
                           taker.place.text() + ") before it takes all of its mail",
                       i});
    } else if (auto fault = fault_of(s, r); !fault.empty()) {
      found.push_back({{"routes", "delivery.tls", "smarthost.host", "listeners"}, name + fault, i});
    }
  }
  for (std::size_t i = 0; i < s.reply_rules.size(); ++i) {
    const auto& rule = s.reply_rules[i];
    if (rule.action == reply_action::pause || rule.time == reply_rule{}.time) continue;
    found.push_back({{"reply_rules"}, "reply_rules: time is for action pause", i});
  }
  if (!s.delivery.tls_key.empty() && s.delivery.tls_certificate.empty()) {
    found.push_back({{"delivery.tls_key", "delivery.tls_certificate"},
                     "delivery.tls_key is set, but not delivery.tls_certificate"});
  }
}

}  // namespace relais::config
