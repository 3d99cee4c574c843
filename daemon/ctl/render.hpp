// What people and programs read about messages in the spool, as text: pure functions. The list has
// the shape of Postfix's mailq (long queue ids), which eyes and monitoring scripts know. In text
// all that came from elsewhere is escaped; in JSON it is exact, with controls as \uXXXX.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spool/store.hpp"

namespace relais::ctl {

/// "Thu Aug  6 10:11:12", local time.
std::string local_time(wall_time at);
/// "2026-11-21T09:15:48.123456Z"
std::string rfc3339(wall_time at);
std::string_view to_text(spool::recipient_status status) noexcept;
/// The address for people: MAILER-DAEMON for the null reverse-path.
std::string sender_text(const smtp::path& reverse_path);

std::string list_heading();
/// One message: id with `!` if held, size, arrival, sender; below it the recipients that are still
/// pending, each with the last reason and the time of the next attempt above it.
std::string list_entry(const spool::stored_message& message);
/// "-- 12 Kbytes in 3 Requests." or "Mail queue is empty".
std::string list_summary(std::uint64_t messages, std::uint64_t octets);

/// Everything that is known of one message, for people.
std::string details(const spool::stored_message& message);

/// {"id", "size", "arrival", "held", "reverse_path", "body", "smtputf8", "recipients": [{"address",
/// "status", "attempts", "next_attempt", "diagnostic"}]}, without a line end. next_attempt is null
/// when none is to come, or when it comes as soon as the daemon runs.
std::string to_json(const spool::stored_message& message);
/// "8BITMIME", as in MAIL.
std::string_view body_name(smtp::body_type body) noexcept;
/// "SUCCESS,FAILURE", as in RCPT.
std::string notify_text(const smtp::dsn_notify& notify);

/// A string of JSON with its quotes; controls, also those above 127, escaped.
std::string json_string(std::string_view text);

/// Opens with "[", separates and closes: an array whose elements need not be in memory together.
class json_array {
 public:
  /// What to put out so that `element` is the next one.
  std::string next(std::string_view element);
  std::string end() const { return empty_ ? "[]\n" : "\n]\n"; }

 private:
  bool empty_ = true;
};

}  // namespace relais::ctl
