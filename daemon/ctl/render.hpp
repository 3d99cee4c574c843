// What people read about messages and destinations, as text: pure functions of the JSON objects
// that programs read (http/control_json.hpp), so that both say the same, with a running daemon and
// without. The list has the shape of Postfix's mailq (long queue ids), which eyes and monitoring
// scripts know. What came from elsewhere is escaped.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "http/control_json.hpp"

namespace relais::ctl {

using http::json_string;
using http::rfc3339;

/// "Thu Aug  6 10:11:12", local time.
std::string local_time(wall_time at);
/// Of "2026-11-21T09:15:48.123456Z"; empty: it is none.
std::optional<wall_time> parse_rfc3339(std::string_view text);

std::string list_heading();
/// One message: id with `!` if held, size, arrival, sender; below it the recipients that are still
/// pending, each with the last reason, the time of the next attempt and what keeps its destination
/// closed above it.
std::string list_entry(const boost::json::object& message);
/// "-- 12 Kbytes in 3 Requests." or "Mail queue is empty".
std::string list_summary(std::uint64_t messages, std::uint64_t octets);

/// Everything that is known of one message, for people.
std::string details(const boost::json::object& message);

/// "01A1FC213F830000: held (1234 octets from joe@a.example, 2 pending)"
std::string outcome_line(const boost::json::object& outcome);

/// The state of the relay at `now`.
std::string status_text(const boost::json::object& status, wall_time now);
std::string destinations_heading();
std::string destination_line(const boost::json::object& destination);

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
