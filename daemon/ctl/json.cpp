// Messages as JSON. (Boost.JSON itself is compiled in lib/auth.)
#include <boost/json.hpp>
#include <utility>

#include "daemon/ctl/render.hpp"

namespace relais::ctl {
namespace {

namespace json = boost::json;

// DEL and the C1 controls (U+0080..U+009F) are legal in JSON, but a terminal obeys them. Octet
// 0xC2 leads no other characters than U+0080..U+00BF, so looking at two octets is enough.
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

json::object to_object(const smtp::path& address, const spool::recipient_state& state) {
  json::object o;
  o["address"] = address.text();
  o["status"] = to_text(state.status);
  o["attempts"] = state.attempts;
  const bool waits =
      state.status == spool::recipient_status::pending && state.next_attempt != wall_time{};
  o["next_attempt"] = waits ? json::value(rfc3339(state.next_attempt)) : json::value(nullptr);
  o["diagnostic"] = state.diagnostic;
  return o;
}

}  // namespace

std::string json_string(std::string_view text) {
  return without_controls(json::serialize(json::value(text)));
}

namespace {

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

}  // namespace

std::string to_json(const spool::stored_message& message) {
  json::object o;
  o["id"] = message.id.text();
  o["size"] = message.content_size;
  o["arrival"] = rfc3339(message.arrival);
  o["held"] = message.is_held;
  o["reverse_path"] = message.envelope.reverse_path.text();
  o["body"] = body_name(message.envelope.body);
  o["smtputf8"] = message.envelope.smtputf8;
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
  return without_controls(json::serialize(o));
}

std::string json_array::next(std::string_view element) {
  std::string text = empty_ ? "[\n" : ",\n";
  empty_ = false;
  return text += element;
}

}  // namespace relais::ctl
