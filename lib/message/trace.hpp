// Trace information (RFC 5321 4.4): the Received header that the relay puts on top, and the count
// of those that are there already (loops). Also the date form of RFC 5322 3.3.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/queue_id.hpp"

namespace relais::message {

/// "Sat, 21 Nov 2026 01:02:03 +0000", always UTC.
std::string rfc5322_date(wall_time time);

/// How the message came, as RFC 3848 and RFC 6531 4.3 name it: "ESMTPSA", "UTF8SMTP"... Without
/// EHLO it is "SMTP".
std::string_view protocol_word(bool ehlo, bool tls, bool auth, bool utf8) noexcept;

struct trace {
  std::string_view hello;        ///< what the client said in HELO/EHLO
  std::string_view client_name;  ///< verified reverse name, or "unknown"
  std::string_view
      client_address;         ///< "192.0.2.1" or "2001:db8::1" (written as IPv6:...); "" = local
  bool hide_client = false;   ///< `hello`, name and address are not shown: "from localhost"
  std::string_view tls;       ///< "TLSv1.3 with cipher ... (256/256 bits)"; "" = none
  std::string_view user;      ///< to be shown as the authenticated sender; "" = not
  std::string_view by;        ///< our host name
  std::string_view protocol;  ///< protocol_word()
  std::string_view for_recipient;  ///< "" unless there is exactly one (no disclosure of others)
  queue_id id;
  wall_time arrival;
};

/// The header field, folded, with its final CRLF. Nothing of the wire can break out of it:
/// controls, parentheses and backslashes in `hello` are escaped or dropped.
std::string received_header(const trace& t);

}  // namespace relais::message
