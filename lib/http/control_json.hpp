// What programs read about the queue: the objects of the control API, which are those of relaisctl
// --json as well, with a running daemon and without. Exact, with controls as \uXXXX. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "delivery/operations.hpp"

namespace relais::http {

/// "2026-11-21T09:15:48.123456Z"
std::string rfc3339(wall_time at);
/// "pending", "delivered", "bounced", "removed".
std::string_view to_text(spool::recipient_status status) noexcept;
/// "open", "down", "paused", "suspended".
std::string_view to_text(queue::destination_state state) noexcept;
/// "8BITMIME", as in MAIL.
std::string_view body_name(smtp::body_type body) noexcept;
/// "SUCCESS,FAILURE", as in RCPT.
std::string notify_text(const smtp::dsn_notify& notify);

/// {"id", "size", "arrival", "held", "reverse_path", "body", "smtputf8", what extensions asked for,
/// "routed_to" if an operator said so, "recipients": [{"address", "status", "attempts",
/// "next_attempt", "diagnostic"}]}. next_attempt is null when none is to come, or when it comes as
/// soon as it can.
boost::json::object to_object(const spool::stored_message& message);
/// The same with "next_hop" of each recipient that waits and, if its destination is closed,
/// "destination": {"state", "reason", "until"}.
boost::json::object to_object(const delivery::listed_message& message);
/// {"id", "changed", "in_hand", "outcome", "size", "reverse_path", "recipients", "pending"}
boost::json::object to_object(const delivery::order_outcome& outcome, bool is_dry);
/// {"destination", "route", "state", "reason", "until", "ready", "waiting", "stalled", "in_hand",
/// "failures"}
boost::json::object to_object(const delivery::destination_view& destination);
boost::json::object to_object(const delivery::relay_view& view);

/// As text in one line; DEL and the C1 controls escaped as well: a terminal obeys them.
std::string to_line(const boost::json::object& object);
/// A string of JSON with its quotes.
std::string json_string(std::string_view text);

}  // namespace relais::http
