// A reply situation on the wire: how the relay is configured, who the client is, what it says and
// what it must hear, octet for octet. Each is run in the simulated world in every form in which its
// octets may arrive: turn by turn, whole, octet by octet, and split in two at every position.
//
// A turn is one exchange; the client waits for its replies only where it must, so that a situation
// is also one of PIPELINING (RFC 2920) wherever that is lawful.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtp/replies.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing {

using scene_action = std::function<void(relay_scene&)>;

struct turn {
  std::string said;   ///< raw, with its line end; "": the client only listens
  std::string heard;  ///< raw; "ID" stands for a queue id
  duration pause{};   ///< of the client before it speaks
  scene_action before{};
  bool is_handshake = false;  ///< the client begins TLS before it speaks
  bool is_awaited = false;    ///< the client must hear the reply before it says more

  turn(std::string says, std::string hears) : said(std::move(says)), heard(std::move(hears)) {}
  turn after(duration silence) const;
  /// Something happens behind the turns before this one.
  turn when(scene_action happened) const;
  turn under_tls() const;
  turn awaited() const;
};

/// Another client, which connects before the one that is watched, says something, hears so many
/// replies and stays.
struct bystander {
  ip_address from;
  std::string said;
  std::size_t replies = 1;
};

struct situation {
  scene_action configure{};                               ///< before the relay starts
  ip_address client = *ip_address::parse("203.0.113.5");  ///< a stranger
  std::vector<bystander> beside{};
  std::vector<turn> turns{};
  bool may_pipeline = true;
  bool only_by_turns = false;     ///< the other forms are other situations, or too dear
  scene_action afterwards{};      ///< further checks, in each form; the relay runs
  std::string socket{};           ///< the UNIX socket to connect to; "": TCP to port 25
  SSL_CTX* client_tls = nullptr;  ///< null: one without a certificate
};

/// Runs `s` in every form and requires exactly what it says, then the end of the connection. `id`
/// is the reply that the situation is about: one of the turns must hear it.
void check_reply(smtp::reply_id id, const situation& s);
/// The same for what is not about one reply.
void check_session(const situation& s);

/// To configure with: mail for here.test reaches the next hop.
void delivers(relay_scene& scene);
/// The content of the one message that the next hop gets.
std::string delivered(relay_scene& scene, duration within = std::chrono::hours(1));

// Turns that most situations have.

struct offer {  ///< what EHLO announces besides the usual
  std::string size = "52428800";
  bool starttls = false;
  std::string auth;  ///< "PLAIN LOGIN"
  std::string limits = "RCPTMAX=1000 MAILMAX=1000";
  bool require_tls = false;
  std::string future_release;
  bool xclient = false, xforward = false;
};

inline const ip_address stranger = *ip_address::parse("203.0.113.5");
inline const turn greeting{"", "220 relay.test ESMTP relais\r\n"};
turn ehlo(const offer& announced = {});
inline const turn helo{"HELO c.test\r\n", "250 relay.test greets c.test\r\n"};
inline const turn mail{"MAIL FROM:<me@c.test>\r\n", "250 2.1.0 Ok\r\n"};
/// To here.test, where strangers may send.
inline const turn rcpt{"RCPT TO:<you@here.test>\r\n", "250 2.1.5 Ok\r\n"};
inline const turn data{"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"};
inline const turn text{"Subject: x\r\n\r\nbody\r\n.\r\n", "250 2.0.0 Ok: queued as ID\r\n"};
inline const turn rset{"RSET\r\n", "250 2.0.0 Ok\r\n"};
inline const turn quit{"QUIT\r\n", "221 2.0.0 relay.test closing connection\r\n"};
/// Behind a greeting without EHLO replies have no enhanced codes (RFC 2034).
inline const turn quit_at_once{"QUIT\r\n", "221 relay.test closing connection\r\n"};

}  // namespace relais::testing
