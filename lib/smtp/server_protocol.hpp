// The server side of an SMTP session as a sans-I/O state machine (RFC 5321): octets in, events and
// octets out. It knows the order of a session (one table, checked at compile time), the syntax of
// commands, and the framing of content. It answers syntax and sequence errors itself; what needs a
// decision or work is an event that the driver answers by reply().
//
// Not here: sockets, time, TLS, policy, storage. One object belongs to one session and one
// executor.
//
// Driver's contract:
//   for (;;) switch (e = protocol.next(); e.kind)
//     need_input: write output() if there is any, then read and receive() -- flushing only here
//                 makes PIPELINING (RFC 2920) batching fall out.
//     mail, rcpt, data, end_of_data: decide, then reply(id) exactly once; the class of the reply
//                 decides the next state: 2xx to mail opens the transaction, 2xx to rcpt counts a
//                 recipient, 3xx to data asks for the content, any reply to end_of_data ends the
//                 transaction; anything else keeps the state. What closes_connection() is followed
//                 by fatal. With BDAT the same events come: data before the first chunk (its 354 is
//                 not sent, a refusal is, when the chunk has been read and dropped), end_of_data
//                 behind the last chunk, or behind the first one with a content_fault.
//     content:    take the octets; no reply.
//     starttls:   reply(starttls_ready) and write output(), do the handshake, then tls_started();
//                 or reply(tls_unavailable).
//     auth, auth_response: reply(authenticated) or a refusal, or challenge(); the exchange is over
//                 with any reply(). auth_cancelled is information: it is over, and was answered.
//     xclient:    reply(greeting) to accept (the session begins anew, as behind the greeting), or a
//                 refusal. xforward: reply(ok), or a refusal.
//     quit, fatal: write output(), close. next() keeps saying so.
// To break the contract (a reply nobody asked for, next() instead of a reply) is a
// std::logic_error. Views in an event are valid until the next call of next() or receive().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/envelope.hpp"
#include "smtp/extensions.hpp"
#include "smtp/newline_mode.hpp"
#include "smtp/replies.hpp"

namespace relais::smtp {

struct server_limits {
  std::uint64_t message_size = 50u << 20;  ///< announced by SIZE; 0 = none
  std::size_t command_line = 2048;         ///< octets with line end; less than 512 counts as 512
                                           ///< (RFC 5321 4.5.3.1.4)
  std::size_t text_line = 65536;  ///< octets of a content line with its CRLF; at least 1000
  /// 4xx/5xx replies before the next one becomes 421 too_many_errors; a message accepted sets the
  /// count back. too_many_recipients does not count: whoever sends a long list at once earns many
  /// (RFC 5321 4.5.3.1.10).
  unsigned errors = 20;
  /// NOOP, RSET, VRFY, HELP, EHLO... between two accepted messages, before the next one becomes 421
  /// too_many_errors; 0 = none.
  unsigned junk_commands = 100;
  // Announced by LIMITS (RFC 9422); to enforce them is the driver's. 0 = not announced.
  std::uint64_t recipients = 1000;
  std::uint64_t messages = 1000;
  // Announced by FUTURERELEASE (RFC 4865): the longest HOLDFOR in seconds, the latest HOLDUNTIL.
  std::uint32_t hold_seconds = 0;  ///< 0 = not offered
  wall_time hold_until{};
};

/// How the listener speaks TLS, as far as the order of a session goes.
enum class tls_state : std::uint8_t {
  unavailable,  ///< STARTTLS is not announced
  offered,      ///< STARTTLS is announced
  required,     ///< STARTTLS is announced, and nothing but NOOP, EHLO, QUIT, HELP, RSET before it
  active
};

struct server_options {
  std::string hostname;
  server_limits limits;
  newline_mode newlines = newline_mode::reject;
  extension_set extensions;  ///< offered, as far as they are usable
  tls_state tls = tls_state::unavailable;
  /// SASL mechanisms to announce, upper case; none: no AUTH. Outlives the session.
  std::vector<std::string_view> mechanisms;
  bool auth_required = false;          ///< MAIL needs AUTH: 530
  bool legacy_auth_line = false;       ///< also "AUTH=PLAIN LOGIN" for old clients
  const reply_texts* texts = nullptr;  ///< replaced texts; null = those of the table
  /// MAIL and RCPT take a bare local-part ("root"), which the driver must qualify; else 553.
  bool bare_names_allowed = false;
};

enum class server_event_kind : std::uint8_t {
  need_input,  ///< nothing more to do without octets from the client
  hello,       ///< HELO or EHLO was answered; `text` is hello(). Information, no reply
  mail,        ///< MAIL FROM: `address`, `mail`
  rcpt,        ///< RCPT TO: `address`, `rcpt`
  data,  ///< DATA or the first BDAT with at least one accepted recipient; reply start_data to go on
  content,  ///< `text`: octets of content, CRLF line ends, dot-unstuffed, in pieces of about what
            ///< was received (of BODY=BINARYMIME: as they came); none behind a fault that refuses
            ///< the message anyway
  end_of_data,    ///< the whole content has passed; `content_fault` set: it must be refused by that
                  ///< id
  reset,          ///< an open transaction is gone (RSET, HELO/EHLO again). Information, no reply
  starttls,       ///< STARTTLS in order
  auth,           ///< AUTH: `text` is the mechanism as announced, `response` the initial response
  auth_response,  ///< `response` to the last challenge
  auth_cancelled,  ///< the exchange was ended by the client or by a bad response; was answered
  xclient,         ///< XCLIENT: `attributes`
  xforward,        ///< XFORWARD: `attributes`
  quit,            ///< 221 is in output(): flush and close
  fatal            ///< the reason is in output(): flush and close
};

/// Of XCLIENT and XFORWARD: the name in upper case, the value decoded from xtext and printable.
struct client_attribute {
  std::string_view name;
  std::string value;
};

struct server_event {
  server_event_kind kind = server_event_kind::need_input;
  std::string_view text;
  const path* address = nullptr;
  const mail_parameters* mail = nullptr;
  const rcpt_parameters* rcpt = nullptr;
  /// Decoded from base64, any octets; none: AUTH without an initial response. A secret, mostly.
  std::optional<std::string_view> response;
  std::span<const client_attribute> attributes;
  std::optional<reply_id> content_fault;
};

/// Numbers for the disconnect line of the log: "mail=1 rcpt=0/2 commands=5" (ok/total).
struct command_counts {
  struct pair {
    std::uint32_t ok = 0, total = 0;
  };
  pair ehlo, helo, starttls, auth, mail, rcpt, data, bdat, rset, noop, quit, vrfy, help, xclient,
      xforward, unknown;
};

class server_protocol {
 public:
  explicit server_protocol(server_options options);
  ~server_protocol();
  server_protocol(const server_protocol&) = delete;
  server_protocol& operator=(const server_protocol&) = delete;

  /// Queues the 220 greeting, or with `refusal` that instead: 421 and 521 are fatal at once, behind
  /// a 554 only QUIT is served (RFC 5321 3.1).
  void greet(std::optional<reply_id> refusal = {});
  /// Octets from the client. Nothing may be received after quit or fatal.
  void receive(std::string_view octets);
  server_event next();
  /// Answers the pending event. `argument` replaces "{}" (where the text names us, our host name
  /// does).
  void reply(reply_id id, std::string_view argument = {});
  /// 334: the SASL exchange goes on. `octets` are encoded here.
  void challenge(std::string_view octets);
  /// The handshake is done: all that was said in clear is forgotten (RFC 3207 4.2).
  void tls_started();
  /// From the next EHLO on, these are announced: what is usable changes with TLS.
  void offer_mechanisms(std::vector<std::string_view> mechanisms);
  /// What is offered from here on; for XCLIENT, where another client begins. EHLO announces it.
  void offer_extensions(extension_set extensions);
  /// A trusted proxy has checked a login (XCLIENT LOGIN=): as if AUTH had succeeded.
  void adopt_login();
  /// Bare line ends from here on: authenticated clients are helped. Not within content.
  void set_newlines(newline_mode mode);
  /// Octets were received although none may come yet: the client does not wait for the greeting, or
  /// for the reply to a command that ends its batch (EHLO, DATA, AUTH...; RFC 2920 3.1). To ask
  /// before greet() and at the events that such a command causes, before output() is written.
  bool has_unread_input() const noexcept;
  /// 421 with that id, then fatal: idle timeout, shutdown, internal error. At any time, also within
  /// content and in place of a reply; without effect once the session is over.
  void close_with(reply_id id);

  std::string_view output() const noexcept;
  void output_written(std::size_t octets) noexcept;

  /// Waiting for a command: greeted by us, no received octet unconsumed, no event unanswered or
  /// untold, no transaction open (no MAIL accepted). The place to leave at a shutdown.
  bool at_command_boundary() const noexcept;
  bool in_content() const noexcept;
  bool greeted_with_ehlo() const noexcept;
  /// Argument of HELO/EHLO, "" before: printable ASCII, but not always a host name; it may hold
  /// blanks.
  std::string_view hello() const noexcept;
  /// "CONNECT", "EHLO", "DATA", "END-OF-MESSAGE", "UNKNOWN"...: for "lost connection after".
  std::string_view last_command() const noexcept;
  /// Of the current or last message, as handed on.
  std::uint64_t content_octets() const noexcept;
  bool is_authenticated() const noexcept;
  bool is_auth_under_way() const noexcept;  ///< a challenge waits for its response
  const command_counts& counts() const noexcept;
  /// Refusals since the last accepted message, as the error budget counts them.
  unsigned errors() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace relais::smtp
