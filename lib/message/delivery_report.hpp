// Delivery status notifications: multipart/report messages of RFC 3462/6522 with the
// machine-readable part of RFC 3464, in plain words for the person who reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "smtp/envelope.hpp"

namespace relais::message {

struct reported_recipient {
  smtp::path address;
  std::string action = "failed";   ///< RFC 3464 2.3.3: failed, delayed, relayed
  std::string original_recipient;  ///< ORCPT as it came, "rfc822;Bob+40far.test"; "" = none
  std::string status;              ///< RFC 3463, "5.1.1"
  std::string diagnostic;  ///< the remote reply "550 5.1.1 ..." or a local reason, printable
  bool diagnostic_is_smtp = true;  ///< Diagnostic-Code: smtp; else x-relais
  std::string remote_mta;          ///< host name of the next hop, "" if none was reached
  std::string explanation;  ///< one sentence for the person: "The server mx.example said: ..."
  reported_recipient() = default;
};

struct report_request {
  std::string reporting_mta;  ///< our host name
  std::string boundary;       ///< unique, from the injected random
  queue_id original_id;
  queue_id report_id;
  wall_time original_arrival;
  wall_time now;
  smtp::path original_sender;  ///< where the report goes; never null (RFC 5321 6.1)
  std::string envelope_id;     ///< ENVID as it came, xtext; "" = none
  std::vector<reported_recipient> recipients;
  std::string_view original_content;  ///< its header section is returned with the report (RET=HDRS)
  bool return_full = false;           ///< text/rfc822 headers only, or message/rfc822
};

/// The content of the report: CRLF line ends, header and body, ready for the spool. The envelope is
/// the caller's: null reverse-path, one recipient.
std::string delivery_report(const report_request& request);

}  // namespace relais::message
