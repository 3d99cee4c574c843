#include "daemon/ctl/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/text.hpp"
#include "base/units.hpp"
#include "daemon/ctl/json_fields.hpp"

namespace relais::ctl {
namespace {

using boost::json::object;

constexpr std::size_t longest_reason = 1024;

// Names in English whatever the locale: scripts read them.
constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string safe(const object& o, std::string_view name) {
  return printable(text_of(o, name), longest_reason);
}

/// "at once" where there is no time: before the first attempt, or as soon as the daemon runs.
std::string time_or_at_once(const object& o, std::string_view name) {
  const auto at = parse_rfc3339(text_of(o, name));
  return at ? local_time(*at) : "at once";
}

std::string time_in(const object& o, std::string_view name) {
  const auto at = parse_rfc3339(text_of(o, name));
  return at ? local_time(*at) : safe(o, name);
}

std::string sender_of(const object& message) {
  const auto path = safe(message, "reverse_path");
  return path.empty() ? "MAILER-DAEMON" : path;
}

bool is_pending(const object& recipient) {
  return text_of(recipient, "status") == "pending";
}

/// Why the recipient still waits; "" before the first attempt. While its destination is closed it
/// waits for that, not for a time of its own.
std::string reason(const object& recipient) {
  auto text = safe(recipient, "diagnostic");
  if (number_of(recipient, "attempts") == 0 && text.empty()) return {};
  if (recipient.contains("destination")) return text;
  if (!text.empty()) text += "; ";
  return text + "next attempt " + time_or_at_once(recipient, "next_attempt");
}

/// What keeps a destination closed: "down: connection refused; next probe Thu Aug ...".
std::string closed_text(const object& d) {
  auto text = safe(d, "state");
  const auto why = safe(d, "reason");
  if (!why.empty() && text != "suspended") text += ": " + why;
  if (const auto until = parse_rfc3339(text_of(d, "until"))) {
    text += (text_of(d, "state") == "down" ? "; next probe " : "; until ") + local_time(*until);
  }
  return text;
}

/// "" where the way is open, or nothing is known of it.
std::string way_line(const object& recipient) {
  const auto& d = object_of(recipient, "destination");
  if (d.empty()) return {};
  return "next hop " + safe(recipient, "next_hop") + " is " + closed_text(d);
}

std::string state_line(const object& recipient) {
  auto text = safe(recipient, "status");
  const auto attempts = number_of(recipient, "attempts");
  if (attempts > 0) {
    text += fmt::format(", {} {}", attempts, attempts == 1 ? "attempt" : "attempts");
  }
  if (is_pending(recipient) && !recipient.contains("destination")) {
    text += ", next attempt " + time_or_at_once(recipient, "next_attempt");
  }
  return text;
}

std::string extra_lines(const object& m) {
  std::string text;
  if (m.contains("routed_to")) text += fmt::format("routed to   {}\n", safe(m, "routed_to"));
  if (m.contains("ret")) text += fmt::format("ret         {}\n", safe(m, "ret"));
  if (m.contains("envid")) text += fmt::format("envid       {}\n", safe(m, "envid"));
  if (flag_of(m, "requiretls")) text += "requiretls  yes\n";
  if (const auto* p = m.if_contains("priority"); p != nullptr && p->is_int64()) {
    text += fmt::format("priority    {}\n", p->get_int64());
  }
  if (m.contains("hold_until")) text += fmt::format("hold until  {}\n", time_in(m, "hold_until"));
  if (m.contains("deliver_by")) text += fmt::format("deliver by  {}\n", time_in(m, "deliver_by"));
  return text;
}

std::string recipient_lines(const object& r) {
  constexpr std::string_view indent = "            ";
  auto text = fmt::format("recipient   {}\n", safe(r, "address"));
  const auto line = [&](std::string_view what) { text += fmt::format("{}{}\n", indent, what); };
  if (r.contains("notify")) line("notify " + safe(r, "notify"));
  if (r.contains("orcpt")) line("orcpt " + safe(r, "orcpt"));
  line(state_line(r));
  if (const auto said = safe(r, "diagnostic"); !said.empty()) line(said);
  if (const auto way = way_line(r); !way.empty()) {
    line(way);
  } else if (r.contains("next_hop")) {
    line("next hop " + safe(r, "next_hop"));
  }
  return text;
}

/// "2h5m": to the second is enough.
std::string age_text(wall_time since, wall_time now) {
  const auto age = std::max<duration>(duration{0}, now - since);
  return to_text(duration(std::chrono::floor<std::chrono::seconds>(age)));
}

}  // namespace

std::string local_time(wall_time at) {
  const auto seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count());
  std::tm t{};
  ::localtime_r(&seconds, &t);
  return fmt::format("{} {} {:>2} {:02}:{:02}:{:02}", days[t.tm_wday], months[t.tm_mon], t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec);
}

std::optional<wall_time> parse_rfc3339(std::string_view text) {
  std::tm t{};
  int micros = 0, length = 0;
  const std::string whole(text);
  const int fields =
      std::sscanf(whole.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ%n", &t.tm_year, &t.tm_mon,
                  &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &micros, &length);
  if (fields != 7 || static_cast<std::size_t>(length) != whole.size()) return {};
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  return wall_time(std::chrono::seconds(::timegm(&t)) + std::chrono::microseconds(micros));
}

std::string list_heading() {
  return "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n";
}

std::string list_entry(const object& message) {
  const auto id = safe(message, "id") + (flag_of(message, "held") ? "!" : "");
  auto text = fmt::format("{:<17} {:>8} {:<19} {}\n", id, number_of(message, "size"),
                          time_in(message, "arrival"), sender_of(message));
  for (const auto& v : array_of(message, "recipients")) {
    if (!v.is_object() || !is_pending(v.get_object())) continue;
    const auto& r = v.get_object();
    for (const auto& why : {reason(r), way_line(r)}) {
      if (!why.empty()) text += fmt::format("{:>76}\n", "(" + why + ")");
    }
    text += fmt::format("{:47}{}\n", "", safe(r, "address"));
  }
  return text + "\n";
}

std::string list_summary(std::uint64_t messages, std::uint64_t octets) {
  if (messages == 0) return "Mail queue is empty\n";
  return fmt::format("-- {} Kbytes in {} Request{}.\n", (octets + 1023) / 1024, messages,
                     messages == 1 ? "" : "s");
}

std::string details(const object& m) {
  auto text = fmt::format("id          {}\n", safe(m, "id"));
  text += fmt::format("arrival     {}\n", time_in(m, "arrival"));
  text += fmt::format("size        {} octets\n", number_of(m, "size"));
  text += fmt::format("held        {}\n", flag_of(m, "held") ? "yes" : "no");
  text += fmt::format("body        {}{}\n", safe(m, "body"),
                      flag_of(m, "smtputf8") ? ", SMTPUTF8" : "");
  text += fmt::format("sender      {}\n", sender_of(m));
  text += extra_lines(m);
  for (const auto& r : array_of(m, "recipients"))
    if (r.is_object()) text += recipient_lines(r.get_object());
  return text;
}

std::string outcome_line(const object& o) {
  auto line = safe(o, "id") + ": " + safe(o, "outcome");
  if (!flag_of(o, "known")) return line + "\n";
  const auto pending = number_of(o, "pending"), meant = number_of(o, "recipients");
  const auto count =
      meant < pending ? fmt::format("{} of {}", meant, pending) : fmt::format("{}", pending);
  return line + fmt::format(" ({} octets from {}, {} pending)\n", number_of(o, "size"),
                            sender_of(o), count);
}

std::string status_text(const object& s, wall_time now) {
  const auto since = parse_rfc3339(text_of(s, "since"));
  auto text = "relais " + safe(s, "version");
  if (since) {
    text += fmt::format(", running since {} ({})", local_time(*since), age_text(*since, now));
  }
  text += flag_of(s, "ready") ? "\nintake        mail is taken\n"
                              : "\nintake        NO mail is taken: " + safe(s, "reason") + "\n";
  const auto& q = object_of(s, "queue");
  text += fmt::format("queue         {} messages", number_of(q, "messages"));
  if (const auto oldest = parse_rfc3339(text_of(q, "oldest"))) {
    text += fmt::format(", the oldest since {} ({})", local_time(*oldest), age_text(*oldest, now));
  }
  text += fmt::format(
      "\ndeliveries    {} ready, {} waiting, {} waiting for their destination, {} under way\n",
      number_of(q, "ready"), number_of(q, "waiting"), number_of(q, "stalled"),
      number_of(q, "in_hand"));
  const auto& c = object_of(s, "connections");
  text += fmt::format("connections   {} of clients, {} to next hops\n", number_of(c, "clients"),
                      number_of(c, "deliveries"));
  const auto& d = object_of(s, "destinations");
  text += fmt::format("destinations  {}: {} down, {} paused, {} suspended\n", number_of(d, "known"),
                      number_of(d, "down"), number_of(d, "paused"), number_of(d, "suspended"));
  for (const auto& v : array_of(d, "closed")) {
    if (!v.is_object()) continue;
    const auto& closed = v.get_object();
    const auto mail =
        number_of(closed, "ready") + number_of(closed, "waiting") + number_of(closed, "stalled");
    text += fmt::format("              {} ({} waiting): {}\n", safe(closed, "destination"), mail,
                        closed_text(closed));
  }
  return text;
}

std::string destinations_heading() {
  return "-Ready- Waiting Stalled In hand -Destination------\n";
}

std::string destination_line(const object& d) {
  auto text =
      fmt::format("{:>7} {:>7} {:>7} {:>7} {}", number_of(d, "ready"), number_of(d, "waiting"),
                  number_of(d, "stalled"), number_of(d, "in_hand"), safe(d, "destination"));
  if (text_of(d, "state") != "open") text += " (" + closed_text(d) + ")";
  return text + "\n";
}

std::string json_array::next(std::string_view element) {
  std::string text = empty_ ? "[\n" : ",\n";
  empty_ = false;
  return text += element;
}

}  // namespace relais::ctl
