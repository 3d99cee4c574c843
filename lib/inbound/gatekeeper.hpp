// Asks policy at each step of a session: decides who may connect, say hello, send and receive, and
// says by which rule. Pure decisions are in policy/; here is what they have to wait for: names and
// lists in DNS, and the counters that all workers share, which live on the first worker. Clients
// that are trusted or authenticated are not asked for DNS checks, lists or greylisting; rules and
// rates concern everybody but rate_exempt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.hpp"
#include "net/task.hpp"
#include "smtp/path.hpp"
#include "smtp/replies.hpp"

namespace relais::inbound {

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
  std::string rule;  ///< who decided, for the log: "relais.yaml:31: policy.rules", "dns list zone"
  bool is_refusal() const noexcept { return refusal.has_value(); }
};

class gatekeeper {
 public:
  virtual ~gatekeeper() = default;
  // Whether there is anything to ask at a step; if not, the session does not suspend.
  virtual bool asks_at_connect(const client_facts& client) const noexcept = 0;
  virtual bool asks_at_hello(const client_facts& client) const noexcept = 0;
  virtual bool asks_at_mail(const client_facts& client) const noexcept = 0;
  virtual bool asks_at_rcpt(const client_facts& client) const noexcept = 0;

  /// Connection rates; looks up the client's name and puts it in; rules that only need the client.
  virtual net::task<verdict> at_connect(client_facts& client) = 0;
  /// hello_check. A refusal answers the next MAIL, not the hello itself.
  virtual net::task<verdict> at_hello(const client_facts& client) = 0;
  /// Rules, message rates, sender domain (null MX, unknown), HELO verdict.
  virtual net::task<verdict> at_mail(const client_facts& client, const smtp::path& sender) = 0;
  /// Rules, DNS lists, recipient rates, recipient domain, greylisting; asked for recipients that
  /// the client may relay to.
  virtual net::task<verdict> at_rcpt(const client_facts& client, const smtp::path& sender,
                                     const smtp::path& recipient) = 0;
};

}  // namespace relais::inbound
