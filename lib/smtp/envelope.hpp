// The envelope: what SMTP says about a message besides its content (RFC 5321 2.3.1), with what its
// extensions add: DSN (RFC 3461), SMTPUTF8 (6531), REQUIRETLS (8689), MT-PRIORITY (6710),
// FUTURERELEASE (4865), DELIVERBY (2852), AUTH= (4954 5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "smtp/path.hpp"

namespace relais::smtp {

/// RFC 6152, RFC 3030. The content of binary_mime is opaque: it may hold bare CR, LF and NUL, and
/// must only ever leave by BDAT.
enum class body_type : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };

/// How much of the message a report of failure carries (RFC 3461 4.3).
enum class dsn_return : std::uint8_t { unspecified, full, headers };

/// RFC 3461 4.1. `never` stands alone; unspecified = failure, and delay as the relay sees fit.
struct dsn_notify {
  bool never = false, success = false, failure = false, delay = false;
  bool is_specified() const noexcept { return never || success || failure || delay; }
  friend bool operator==(const dsn_notify&, const dsn_notify&) = default;
};

/// What the client asked for one recipient.
struct recipient_options {
  dsn_notify notify;
  /// ORCPT as sent, "rfc822;Bob+40far.test" with its xtext, checked; "" = not given.
  std::string original_recipient;
  bool is_default() const noexcept { return !notify.is_specified() && original_recipient.empty(); }
  friend bool operator==(const recipient_options&, const recipient_options&) = default;
};

/// RFC 2852. `at` is when the time is over, counted from the arrival.
struct deliver_by {
  wall_time at;
  bool is_return = false;  ///< R: give up then; else N: tell the sender and go on
  bool trace = false;
  friend bool operator==(const deliver_by&, const deliver_by&) = default;
};

struct envelope {
  path reverse_path;
  std::vector<path> forward_paths;
  body_type body = body_type::seven_bit;
  bool smtputf8 = false;  ///< declared; of a stored message: and the header is not ASCII

  dsn_return ret = dsn_return::unspecified;
  std::string envelope_id;  ///< ENVID as sent, xtext, checked
  /// Empty, or one for each forward-path.
  std::vector<smtp::recipient_options> recipient_options;
  bool require_tls = false;
  std::int8_t priority = 0;             ///< MT-PRIORITY, -9 to 9
  std::optional<wall_time> hold_until;  ///< FUTURERELEASE: no attempt before
  std::optional<smtp::deliver_by> by;
  std::string submitter;  ///< AUTH= of a trusted peer, "<>" or an address; "" = none
  // Kept only where a route asks for them:
  std::string user;      ///< who logged in; "" = nobody
  std::string listener;  ///< address of the listener that took the message, as configured

  envelope() = default;
  envelope(path reverse, std::vector<path> forward)
      : reverse_path(std::move(reverse)), forward_paths(std::move(forward)) {}

  bool has_utf8_address() const noexcept {
    for (const auto& p : forward_paths)
      if (p.needs_smtputf8()) return true;
    return reverse_path.needs_smtputf8();
  }

  const smtp::recipient_options& options_of(std::size_t recipient) const noexcept {
    static const smtp::recipient_options none;
    return recipient < recipient_options.size() ? recipient_options[recipient] : none;
  }
};

}  // namespace relais::smtp
