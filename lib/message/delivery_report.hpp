// Delivery status notifications: multipart/report messages of RFC 6522 with the machine-readable
// part of RFC 3464, in plain words for the person who reads it. Internationalised as RFC 6533 wants
// it: to a reverse-path that is UTF-8 itself everything is UTF-8; to any other, whose hosts may
// know nothing of SMTPUTF8, addresses are written in its ASCII form and header sections with UTF-8
// travel in base64.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "smtp/envelope.hpp"

namespace relais::message {

/// RFC 3464 2.3.3; a relay neither delivers nor expands.
enum class report_action : std::uint8_t { failed, delayed, relayed };

struct reported_recipient {
  smtp::path address;
  report_action action = report_action::failed;
  std::string original_recipient;  ///< ORCPT as it came, "rfc822;Bob+40far.test"; "" = none
  std::string status;              ///< RFC 3463, "5.1.1"
  std::string diagnostic;  ///< the remote reply "550 5.1.1 ..." or a local reason, printable
  bool diagnostic_is_smtp = true;  ///< Diagnostic-Code: smtp; else x-relais
  bool is_expired = false;         ///< it failed as its time was over, not by a refusal
  std::string remote_mta;          ///< host name of the next hop, "" if none was reached
  std::string explanation;         ///< one sentence for the person: "host mx.example said: ..."
  std::optional<wall_time> last_attempt, will_retry_until;
  reported_recipient() = default;
};

struct report_request {
  std::string reporting_mta;  ///< our host name
  std::string boundary;       ///< unique, from the injected random
  queue_id original_id;
  queue_id report_id;
  wall_time original_arrival;
  wall_time now;
  smtp::path to;            ///< who gets the report; never null (RFC 5321 6.1)
  bool is_double = false;   ///< `to` is the postmaster, and the original a report itself
  bool smtputf8 = false;    ///< the report may hold UTF-8 in its header and its addresses
  std::string envelope_id;  ///< ENVID as it came, xtext; "" = none
  std::vector<reported_recipient> recipients;
  std::string_view original_content;  ///< its header section is returned with the report (RET=HDRS)
  bool return_full = false;           ///< the whole of it is
};

/// The content of the report: CRLF line ends, header and body, ready for the spool. The envelope is
/// the caller's: null reverse-path, one recipient.
std::string delivery_report(const report_request& request);

}  // namespace relais::message
