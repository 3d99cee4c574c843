// Asks policy at each step of a session: decides who may connect, send and receive, and says by
// which rule. Pure decisions are in policy/; here is what they have to wait for: names and lists in
// DNS, and the counters that all workers share, which live on the first worker (shared_policy).
// Clients that are trusted or authenticated are not asked for DNS checks, lists or greylisting;
// rules concern everybody, rates everybody but rate_exempt.
//
// A rule that accepts ends all checks but rates, from the step on at which it is certain. It never
// gives the right to relay: that is relay_access, which the session asks first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event.hpp"
#include "base/ip.hpp"
#include "config/settings.hpp"
#include "dns/resolver.hpp"
#include "net/runtime.hpp"
#include "net/task.hpp"
#include "smtp/path.hpp"
#include "smtp/replies.hpp"

namespace relais::inbound {

class shared_policy;

/// What is known of a client so far. Kept by the session.
struct client_facts {
  ip_address address;
  std::string name = "unknown";  ///< confirmed by a forward look-up
  std::string unconfirmed_name;  ///< what the reverse look-up said
  bool name_lookup_failed = false;
  bool is_trusted = false;
  std::string user;   ///< of AUTH; "" = none
  std::string hello;  ///< of HELO/EHLO
  bool is_exempt() const noexcept { return is_trusted || !user.empty(); }
};

struct verdict {
  std::optional<smtp::reply_id> refusal;  ///< none: go on
  std::string argument;                   ///< for "{}" of the reply
  std::string rule;  ///< who decided, for the log: "relais.yaml:31: policy.rules", "policy.hello"
  bool is_refusal() const noexcept { return refusal.has_value(); }
};

class gatekeeper {
 public:
  virtual ~gatekeeper() = default;
  // Whether there is anything to ask at a step; if not, the session does not suspend.
  virtual bool asks_at_connect(const client_facts& client) const noexcept = 0;
  virtual bool asks_at_mail(const client_facts& client) const noexcept = 0;
  virtual bool asks_at_rcpt(const client_facts& client) const noexcept = 0;

  // What is passed by reference outlives the task.
  /// Connection rates; looks up the client's name and puts it in. Rules do not speak here: whoever
  /// they refuse hears it at MAIL or RCPT.
  virtual net::task<verdict> at_connect(client_facts& client) = 0;
  /// Rules that do not depend on the recipient; the client's name, its HELO, the sender's domain;
  /// message rates.
  virtual net::task<verdict> at_mail(const client_facts& client, const smtp::path& sender) = 0;
  /// Rules, DNS lists, recipient domain, recipient rates, greylisting; asked for recipients that
  /// the client may relay to.
  virtual net::task<verdict> at_rcpt(const client_facts& client, const smtp::path& sender,
                                     const smtp::path& recipient) = 0;

  /// Ends the look-ups under way, soon.
  virtual void stop() = 0;
  /// Waits for their end, at most so long. To be done before the resolver or the worker go away.
  virtual net::task<bool> join(duration limit) = 0;
};

/// For the sessions of one worker. `dns` is that worker's; all outlive the gatekeeper.
std::unique_ptr<gatekeeper> make_gatekeeper(const config::settings& settings,
                                            const net::runtime& world, dns::resolver& dns,
                                            shared_policy& shared, event_sink& events);

}  // namespace relais::inbound
