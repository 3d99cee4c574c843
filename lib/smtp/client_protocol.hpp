// The client side of an SMTP session as a sans-I/O state machine (RFC 5321, 2920, 3207, 4954):
// octets in, actions and octets out. Replies are matched to commands strictly: a line without a
// code, an impossible code, a reply too many is a protocol error, and no reply is ever credited to
// another command. QUIT is never pipelined behind a final dot.
//
// Not here: sockets, time, host choice, what an outcome means (delivery::classify).
// One object belongs to one connection and one executor.
//
// Driver's contract:
//   for (;;) switch (a = protocol.next())
//     need_input:  write output() if any, then read and receive()
//     start_tls:   write output() if any is left, handshake, then tls_started(); octets that lay
//                  behind the 220 in clear are a protocol error (response injection)
//     ready:       the session is set up, or the last transaction is over: send() or quit()
//     want_content: the content of content_of() is due, see form(). Write output(), then the
//                  content, then content_sent(); what output() then has goes into the same packet
//                  as the end of the content. Never asked for if no recipient was accepted, but
//                  for `chunk_ahead`
//     over:        current() has all its results; take them, then finished(). A transaction that
//                  was begun ahead becomes current() by that
//     failed:      the session is unusable: failure() says why; close. Every transaction that was
//                  begun holds what is certain
//     closed:      QUIT was answered
//
// Transactions overlap: while the content of current() is on its way, begin_ahead() puts the
// envelope of the next one (and, with CHUNKING, its content) behind it, into the same packet as the
// final dot (RFC 2920 3.1: content may be the first of a group). At most one is ahead. Nothing that
// the first one's outcome could make wrong: behind a chunk whose recipients are not known to be
// accepted it begins with RSET (RFC 3030 2).
//
// failure().pipelining_broke, what counts: while commands were pipelined, (1) a protocol error: a
// code that the command cannot have, a line that is no reply, a reply too many; (2) 503 to RCPT
// behind an accepted MAIL, to DATA or BDAT behind an accepted RCPT, to MAIL of a transaction that
// was begun ahead: "bad sequence", where the sequence was right; it is credited to nobody; (3) a
// timeout or an orderly end of the connection behind an accepted MAIL, before the reply to RCPT or
// DATA; (4) a timeout before the reply to MAIL of a transaction that was begun ahead; (5),
// also without pipelining: a positive reply to a chunk that may be another command's. (3) and (4)
// may have other reasons, but a host that throws piped commands away looks just so, and to be
// wrong costs a few round trips only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "smtp/envelope.hpp"
#include "smtp/reply.hpp"

namespace relais::smtp {

/// RFC 3207 levels in the field's words: none, may (opportunistic), encrypt, verify (the name),
/// fingerprint (that very certificate).
enum class tls_level : std::uint8_t { none, may, encrypt, verify, fingerprint };

struct credentials {
  std::string username, password;
  credentials() = default;
  credentials(std::string user, std::string pass)
      : username(std::move(user)), password(std::move(pass)) {}
  friend bool operator==(const credentials&, const credentials&) = default;
};

struct client_options {
  std::string hostname;  ///< our name, for EHLO
  tls_level tls = tls_level::may;
  std::optional<credentials> login;  ///< AUTH PLAIN, else LOGIN; only over TLS
  bool is_lmtp = false;              ///< RFC 2033: LHLO, one final reply per recipient
  bool use_pipelining = true;        ///< false: a host that was caught lying about it
  bool use_chunking = true;
  /// BDAT only where nothing else will do (BINARYMIME): replies of this host did not fit what it
  /// was asked, and behind DATA its 354 shows that both are in step.
  bool prefers_data = false;
  /// A content up to this is sent by BDAT without waiting for the replies to RCPT.
  std::uint64_t chunk_ahead = 256 * 1024;
};

enum class client_action : std::uint8_t {
  need_input,
  start_tls,
  ready,
  want_content,
  over,
  failed,
  closed
};

/// How a content goes over the wire.
enum class content_form : std::uint8_t { dot_stuffed, chunk };

/// What the server offers (the EHLO reply in force).
struct server_features {
  bool ehlo = false, pipelining = false, eight_bit_mime = false, size = false, starttls = false,
       smtputf8 = false, enhanced_status_codes = false, auth = false, auth_plain = false,
       auth_login = false, chunking = false, binary_mime = false, dsn = false, require_tls = false,
       mt_priority = false, deliver_by = false;
  std::uint64_t size_limit = 0;        ///< 0 = not stated
  std::uint64_t deliver_by_least = 0;  ///< seconds; 0 = not stated
  // LIMITS (RFC 9422); 0 = not stated
  std::uint64_t mail_limit = 0, recipient_limit = 0, recipient_domain_limit = 0;
};

/// At which step a session or a transaction failed, and the last reply there.
/// An unanswered recipient has `content` where the end of the content may have left and no 421 came
/// before: it may be delivered. With every other step it is not: `data` while the content is due.
enum class client_step : std::uint8_t {
  connect,
  greeting,
  hello,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  content,
  quit
};
std::string_view to_text(
    client_step step) noexcept;  ///< "RCPT TO", "end of DATA"...: for "(in reply to ... command)"

struct client_failure {
  client_step step = client_step::connect;
  error_code error;             ///< set when no reply came: protocol_error, tls_failed, timeout...
  std::optional<reply> remote;  ///< set when the server said no
  std::string_view note =
      {};  ///< static text, "STARTTLS is not offered"; "" where `error` says all
  /// Replies did not match commands while these were pipelined: never pipeline to that host again.
  bool pipelining_broke = false;
};

/// Why a recipient was not even tried: the next hop's features do not allow it.
enum class local_fault : std::uint8_t {
  none,
  size_exceeds_limit,      ///< larger than the SIZE that the server states (RFC 1870)
  smtputf8_not_offered,    ///< an address or the header is not ASCII (RFC 6531 3.2)
  binary_not_offered,      ///< BODY=BINARYMIME needs CHUNKING and BINARYMIME (RFC 3030 3)
  eight_bit_not_offered,   ///< BODY=8BITMIME without conversion (RFC 6152 3)
  require_tls_not_met,     ///< REQUIRETLS: TLS with a verified peer that offers it (RFC 8689 4.2.1)
  deliver_by_not_offered,  ///< BY=...;R is for those who promise it, and so soon (RFC 2852 4)
  deliver_by_over,         ///< its time has passed
  beyond_recipient_limit   ///< of LIMITS (RFC 9422): as if RCPT were answered 452, the next
                           ///< transaction may have it
};

struct recipient_reply {
  client_step step = client_step::rcpt;   ///< which command the reply answered
  std::optional<reply> remote;            ///< absent: the session ended before a reply came
  local_fault fault = local_fault::none;  ///< set: nothing was sent, `remote` is absent
};

/// One message to some recipients. Outlives its time in the protocol.
struct transaction {
  const envelope* message = nullptr;
  std::vector<std::size_t> recipients;    ///< indexes of forward-paths
  std::uint64_t size = 0;                 ///< of the content, as it will be sent
  body_type body = body_type::seven_bit;  ///< of the content, as it will be sent
  wall_time now{};                        ///< for what is left of deliver_by
  // Made by the protocol:
  std::vector<recipient_reply> results;  ///< one per recipient, in that order
  /// At least one octet of it was handed to output(). False again if it was begun ahead, and the
  /// session broke before the end of its content had left or by a 421 before any reply to it.
  bool was_begun = false;

  transaction() = default;
};

class client_protocol {
 public:
  explicit client_protocol(client_options options);
  ~client_protocol();

  void receive(std::string_view octets);
  client_action next();
  void tls_started();
  /// The handshake failed, or the policy forbids going on; with tls_level::may the driver
  /// reconnects with tls_level::none, here the session just fails.
  void tls_failed(error_code why);

  /// Only when ready: `t` becomes current(). MAIL, every RCPT and DATA (or BDAT LAST with the
  /// content) in one flight where PIPELINING is offered, one by one else.
  void send(transaction& t);
  /// Whether begin_ahead() is possible: content_sent() was said of current(), which is unanswered,
  /// nothing is ahead yet, the server pipelines and has not reached its LIMITS.
  bool can_go_ahead() const noexcept;
  /// The envelope of `t` follows the end of current()'s content. If the server can take it for no
  /// recipient, it is not begun.
  void begin_ahead(transaction& t);
  transaction* current() const noexcept;
  /// Behind `over`: the next one, if there is one ahead, is current().
  void finished();

  /// Why that recipient could not be sent to this server.
  local_fault fault_of(const envelope& message, std::size_t recipient, std::uint64_t size,
                       body_type body, wall_time now) const;
  /// Whether one more MAIL is within the server's LIMITS.
  bool has_mail_left() const noexcept;
  /// With want_content: whose content is due, current() or the one ahead; and how it goes.
  transaction* content_of() const noexcept;
  content_form form() const noexcept;
  void content_sent();
  /// A write failed, or a content cannot be read to its end: the last octet of what is under way
  /// never leaves. A refusal that the server has said meanwhile may still be received, and counts
  /// (nothing else does); then abort().
  void cut(error_code why);
  void quit();
  /// I/O failed or a deadline passed: what is unanswered stays unanswered, next() gives failed.
  void abort(error_code why);

  std::string_view output() const noexcept;
  void output_written(std::size_t octets) noexcept;
  const server_features& features() const noexcept;
  bool is_tls() const noexcept;
  client_step step() const noexcept;  ///< which reply is waited for: chooses the timeout
  /// Complete replies so far: the sign of progress that re-arms a deadline.
  std::uint64_t replies() const noexcept;
  const client_failure& failure() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace relais::smtp
