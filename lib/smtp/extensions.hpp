// The service extensions of our server: one row of a table for each, with what EHLO announces and
// with the parameters that it adds to MAIL and RCPT (RFC 5321 4.1.1.11). A new extension begins
// here. Not here: what policy makes of a parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "smtp/envelope.hpp"
#include "smtp/replies.hpp"

namespace relais::smtp {

enum class extension : std::uint8_t {
  pipelining,            ///< RFC 2920
  size,                  ///< RFC 1870
  eight_bit_mime,        ///< RFC 6152
  chunking,              ///< RFC 3030
  binary_mime,           ///< RFC 3030, with chunking only
  smtputf8,              ///< RFC 6531
  enhanced_statuscodes,  ///< RFC 2034
  dsn,                   ///< RFC 3461
  starttls,              ///< RFC 3207, announced where the listener has it
  auth,                  ///< RFC 4954, announced where a mechanism is usable
  limits,                ///< RFC 9422
  require_tls,           ///< RFC 8689, under TLS only
  future_release,        ///< RFC 4865, for submission
  mt_priority,           ///< RFC 6710
  deliver_by,            ///< RFC 2852
  help,                  ///< RFC 5321 4.1.1.8
  xclient,               ///< Postfix; for named networks
  xforward,              ///< Postfix; for named networks
  count_
};

/// Which of them a session offers.
class extension_set {
 public:
  /// All that any client may use: without future_release, xclient, xforward.
  static extension_set usual() noexcept;
  bool has(extension e) const noexcept { return (bits_ >> static_cast<unsigned>(e) & 1u) != 0; }
  extension_set& add(extension e) noexcept {
    bits_ |= 1u << static_cast<unsigned>(e);
    return *this;
  }
  extension_set& remove(extension e) noexcept {
    bits_ &= ~(1u << static_cast<unsigned>(e));
    return *this;
  }
  friend bool operator==(const extension_set&, const extension_set&) = default;

 private:
  std::uint32_t bits_ = 0;
};

/// The extension with that EHLO keyword ("8BITMIME", no case); for the configuration.
std::optional<extension> find_extension(std::string_view keyword) noexcept;
std::string_view keyword_of(extension e) noexcept;

struct mail_parameters {
  std::uint64_t size = 0;  ///< 0 = not declared
  body_type body = body_type::seven_bit;
  bool smtputf8 = false;
  dsn_return ret = dsn_return::unspecified;
  std::string envelope_id;          ///< xtext as sent, at most 100 octets
  std::optional<std::string> auth;  ///< AUTH=, decoded: an address or "<>"
  bool require_tls = false;
  std::optional<std::int8_t> priority;
  std::optional<std::uint32_t> hold_for;  ///< seconds
  std::optional<wall_time> hold_until;
  struct by_time {
    std::int64_t seconds = 0;
    bool is_return = false, trace = false;
  };
  std::optional<by_time> by;
};

struct rcpt_parameters {
  dsn_notify notify;
  std::string original_recipient;  ///< ORCPT as sent: addr-type ";" xtext
};

/// What an announcement depends on besides the set: the session's limits and its present state.
struct session_facts {
  std::uint64_t message_size = 0;              ///< SIZE; 0 = none
  std::uint64_t recipients = 0, messages = 0;  ///< LIMITS; 0 = not told
  std::uint32_t hold_seconds = 0;              ///< FUTURERELEASE; 0 = not usable
  wall_time hold_until{};
  bool tls_offered = false;  ///< STARTTLS can be had
  bool tls_active = false;
  bool tls_required = false;  ///< and not active: no AUTH before
  std::span<const std::string_view> mechanisms;
  bool legacy_auth_line = false;
};

/// What of `offered` can be used now: only that is announced, and only its parameters are served.
extension_set usable_extensions(extension_set offered, const session_facts& facts) noexcept;

/// The lines of the reply to EHLO, without codes, each with a line feed behind it.
void append_keywords(std::string& lines, extension_set usable, const session_facts& facts);

/// By how many octets these extensions raise the 512 of a command line (RFC 5321 4.5.3.1.4).
std::size_t command_line_allowance(extension_set usable) noexcept;

/// The parameters of MAIL, read into `into`; or the reply that refuses them. `announced`: in this
/// session; none behind HELO.
std::optional<reply_id> parse_mail_parameters(std::string_view parameters, extension_set announced,
                                              const session_facts& facts, mail_parameters& into);
/// The same of RCPT. `smtputf8`: the transaction was declared with it (RFC 6533 3).
std::optional<reply_id> parse_rcpt_parameters(std::string_view parameters, extension_set announced,
                                              bool smtputf8, rcpt_parameters& into);

}  // namespace relais::smtp
