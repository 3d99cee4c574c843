#include "http/control_json.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <ctime>

namespace relais::http {

namespace {

namespace json = boost::json;
using spool::recipient_status;

// Octet 0xC2 leads no other characters than U+0080..U+00BF, so looking at two octets is enough.
std::string without_controls(const std::string& text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto octet = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    const bool c1 = octet == 0xc2 && next >= 0x80 && next < 0xa0;
    if (!c1 && octet != 0x7f) {
      safe += text[i];
      continue;
    }
    if (c1) octet = static_cast<unsigned char>(text[++i]);
    safe += {'\\', 'u', '0', '0', hex[octet >> 4], hex[octet & 15]};
  }
  return safe;
}

json::value time_or_null(const std::optional<wall_time>& at) {
  return at ? json::value(rfc3339(*at)) : json::value(nullptr);
}

json::object to_object(const smtp::path& address, const spool::recipient_state& state) {
  json::object o;
  o["address"] = address.text();
  o["status"] = to_text(state.status);
  o["attempts"] = state.attempts;
  const bool waits = state.status == recipient_status::pending && state.next_attempt != wall_time{};
  o["next_attempt"] = waits ? json::value(rfc3339(state.next_attempt)) : json::value(nullptr);
  o["diagnostic"] = state.diagnostic;
  return o;
}

/// What extensions asked for; only what was asked.
void add_extras(json::object& to, const smtp::envelope& e) {
  if (e.ret != smtp::dsn_return::unspecified) {
    to["ret"] = e.ret == smtp::dsn_return::full ? "FULL" : "HDRS";
  }
  if (!e.envelope_id.empty()) to["envid"] = e.envelope_id;
  if (e.require_tls) to["requiretls"] = true;
  if (e.priority != 0) to["priority"] = e.priority;
  if (e.hold_until) to["hold_until"] = rfc3339(*e.hold_until);
  if (e.by) to["deliver_by"] = rfc3339(e.by->at);
}

json::object figures(const delivery::relay_view& v) {
  json::object o;
  o["messages"] = v.messages;
  o["oldest"] = time_or_null(v.oldest);
  o["ready"] = v.ready;
  o["waiting"] = v.waiting;
  o["stalled"] = v.stalled;
  o["in_hand"] = v.in_hand;
  return o;
}

}  // namespace

std::string rfc3339(wall_time at) {
  const auto seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count());
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (at - whole).count());
}

std::string_view to_text(recipient_status status) noexcept {
  switch (status) {
    case recipient_status::pending: return "pending";
    case recipient_status::delivered: return "delivered";
    case recipient_status::bounced: return "bounced";
    case recipient_status::removed: return "removed";
  }
  return "unknown";
}

std::string_view to_text(queue::destination_state state) noexcept {
  switch (state) {
    case queue::destination_state::open: return "open";
    case queue::destination_state::down: return "down";
    case queue::destination_state::paused: return "paused";
    case queue::destination_state::suspended: return "suspended";
  }
  return "unknown";
}

std::string_view body_name(smtp::body_type body) noexcept {
  switch (body) {
    case smtp::body_type::seven_bit: return "7BIT";
    case smtp::body_type::eight_bit_mime: return "8BITMIME";
    case smtp::body_type::binary_mime: return "BINARYMIME";
  }
  return "";
}

std::string notify_text(const smtp::dsn_notify& notify) {
  if (notify.never) return "NEVER";
  std::string words;
  const auto add = [&](bool is_set, std::string_view word) {
    if (!is_set) return;
    if (!words.empty()) words += ',';
    words += word;
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return words;
}

boost::json::object to_object(const spool::stored_message& message) {
  json::object o;
  o["id"] = message.id.text();
  o["size"] = message.content_size;
  o["arrival"] = rfc3339(message.arrival);
  o["held"] = message.is_held;
  o["reverse_path"] = message.envelope.reverse_path.text();
  o["body"] = body_name(message.envelope.body);
  o["smtputf8"] = message.envelope.smtputf8;
  if (!message.next_hop.empty()) o["routed_to"] = message.next_hop;
  add_extras(o, message.envelope);
  json::array recipients;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    auto recipient = to_object(message.envelope.forward_paths.at(i), message.recipients[i]);
    const auto& options = message.envelope.options_of(i);
    if (options.notify.is_specified()) recipient["notify"] = notify_text(options.notify);
    if (!options.original_recipient.empty()) recipient["orcpt"] = options.original_recipient;
    recipients.push_back(std::move(recipient));
  }
  o["recipients"] = std::move(recipients);
  return o;
}

boost::json::object to_object(const delivery::listed_message& message) {
  auto o = to_object(message.stored);
  auto& recipients = o["recipients"].as_array();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (message.next_hops.at(i).empty()) continue;
    auto& r = recipients[i].as_object();
    r["next_hop"] = message.next_hops[i];
    const auto& closed = message.obstacles.at(i);
    if (closed.state == queue::destination_state::open) continue;
    json::object d;
    d["state"] = to_text(closed.state);
    d["reason"] = closed.reason;
    d["until"] = time_or_null(closed.until);
    r["destination"] = std::move(d);
  }
  return o;
}

boost::json::object to_object(const delivery::order_outcome& outcome, bool is_dry) {
  json::object o;
  o["id"] = outcome.id.text();
  o["known"] = outcome.is_known;
  o["changed"] = outcome.changes && !is_dry;
  o["failed"] = static_cast<bool>(outcome.error);
  o["in_hand"] = outcome.is_in_hand;
  o["outcome"] = outcome.sentence;
  if (!outcome.is_known) return o;
  o["size"] = outcome.octets;
  o["reverse_path"] = outcome.sender;
  o["recipients"] = outcome.recipients;
  o["pending"] = outcome.pending;
  return o;
}

boost::json::object to_object(const delivery::destination_view& d) {
  json::object o;
  o["destination"] = d.name;
  o["route"] = d.route;
  o["state"] = to_text(d.state);
  o["reason"] = d.reason;
  o["until"] = time_or_null(d.until);
  o["ready"] = d.ready;
  o["waiting"] = d.waiting;
  o["stalled"] = d.stalled;
  o["in_hand"] = d.in_hand;
  o["failures"] = d.failures;
  return o;
}

boost::json::object to_object(const delivery::relay_view& v) {
  json::object o;
  o["version"] = RELAIS_VERSION;
  o["since"] = rfc3339(v.since);
  o["ready"] = v.not_ready.empty();
  o["reason"] = v.not_ready;
  o["queue"] = figures(v);
  json::object d;
  d["known"] = v.destinations;
  d["down"] = v.down;
  d["paused"] = v.paused;
  d["suspended"] = v.suspended;
  json::array closed;
  for (const auto& t : v.troubles) closed.push_back(to_object(t));
  d["closed"] = std::move(closed);
  o["destinations"] = std::move(d);
  json::object connections;
  connections["clients"] = v.clients;
  connections["deliveries"] = v.deliveries;
  o["connections"] = std::move(connections);
  return o;
}

std::string to_line(const boost::json::object& object) {
  return without_controls(json::serialize(object));
}

std::string json_string(std::string_view text) {
  return without_controls(json::serialize(json::value(text)));
}

}  // namespace relais::http
