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

struct trace {
  std::string_view hello;        ///< what the client said in HELO/EHLO
  std::string_view client_name;  ///< verified reverse name, or "unknown"
  std::string_view
      client_address;         ///< "192.0.2.1" or "2001:db8::1" (written as IPv6:...); "" = local
  std::string_view by;        ///< our host name
  std::string_view protocol;  ///< "SMTP", "ESMTP", "ESMTPS"... (RFC 3848)
  std::string_view for_recipient;  ///< "" unless there is exactly one (no disclosure of others)
  queue_id id;
  wall_time arrival;
};

/// The header field, folded, with its final CRLF. Nothing of the wire can break out of it:
/// controls, parentheses and backslashes in `hello` are escaped or dropped.
std::string received_header(const trace& t);

}  // namespace relais::message
