// The text rendering of events: the line shapes that people who ran Postfix already grep for
// (component, queue id, then fields). One event is one line per component that would have logged
// it. Everything that a peer can influence goes through printable(), so no input makes a line of
// its own or reaches the terminal of whoever reads the log.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/event.hpp"
#include "base/text.hpp"

namespace relais {
namespace {

constexpr std::size_t reason_limit = 1024;  // multiline replies of remote hosts

/// "mx.example[192.0.2.1]"; a client without a verified name is "unknown".
std::string client_text(std::string_view name, const endpoint& client) {
  return fmt::format("{}[{}]", name.empty() ? "unknown" : printable(name), client.address.text());
}

/// Two significant digits, but no finer than 0.01 s, without trailing zeros: 123, 12, 2.1, 0.12, 0.
void append_seconds(std::string& to, double seconds) {
  if (!(seconds >= 0.004)) {  // NaN, too; most steps are shorter
    to += '0';
    return;
  }
  seconds = std::min(seconds, 1e9);
  const int decimals = seconds >= 9.95 ? 0 : seconds >= 0.995 ? 1 : 2;
  const auto begin = to.size();
  fmt::format_to(std::back_inserter(to), "{:.{}f}", seconds, decimals);
  if (to.find('.', begin) == std::string::npos) return;
  to.erase(to.find_last_not_of('0') + 1);
  if (to.back() == '.') to.pop_back();
}

struct text_of {
  std::string operator()(const events::connected& e) const {
    return "smtpd: connect from " + client_text(e.client_name, e.client);
  }

  std::string operator()(const events::disconnected& e) const {
    auto line = "smtpd: disconnect from " + client_text(e.client_name, e.client);
    if (!e.counts.empty()) line += ' ' + printable(e.counts);
    return line;
  }

  std::string operator()(const events::connection_lost& e) const {
    auto line = fmt::format("smtpd: {} after {}", printable(e.how), printable(e.after));
    if (e.octets > 0) line += fmt::format(" ({} bytes)", e.octets);
    return line + " from " + client_text(e.client_name, e.client);
  }

  std::string operator()(const events::rejected& e) const {
    auto line = fmt::format("smtpd: {}: reject: {} from {}: {};",
                            e.id == queue_id{} ? "NOQUEUE" : e.id.text(), printable(e.command),
                            client_text(e.client_name, e.client), printable(e.reply, reason_limit));
    if (e.has_reverse_path) line += fmt::format(" from=<{}>", printable(e.reverse_path));
    if (e.has_forward_path) line += fmt::format(" to=<{}>", printable(e.forward_path));
    if (!e.protocol.empty()) line += " proto=" + printable(e.protocol);
    if (!e.hello.empty()) line += fmt::format(" helo=<{}>", printable(e.hello));
    if (!e.user.empty()) line += fmt::format(" sasl_username=<{}>", printable(e.user));
    if (!e.rule.empty()) line += fmt::format(" rule=<{}>", printable(e.rule));
    return line;
  }

  std::string operator()(const events::tls_established& e) const {
    auto line = fmt::format("smtpd: TLS connection established from {}: {}",
                            client_text(e.client_name, e.client), printable(e.description));
    if (!e.certificate.empty()) line += ", certificate " + printable(e.certificate);
    return line;
  }

  std::string operator()(const events::tls_failed& e) const {
    return fmt::format("smtpd: TLS handshake failed from {}: {}",
                       client_text(e.client_name, e.client), printable(e.reason));
  }

  std::string operator()(const events::auth_failed& e) const {
    auto line = fmt::format("smtpd: warning: {}: SASL {} authentication failed: {}",
                            client_text(e.client_name, e.client), printable(e.mechanism),
                            printable(e.reason));
    if (!e.user.empty()) line += fmt::format(", sasl_username={}", printable(e.user));
    return line;
  }

  std::string operator()(const events::accepted& e) const {
    const auto id = e.id.text();
    // The message-id comes with or without its angle brackets; the log always has one pair.
    auto message_id = e.message_id;
    if (message_id.starts_with('<')) message_id.remove_prefix(1);
    if (message_id.ends_with('>')) message_id.remove_suffix(1);
    auto line = fmt::format("smtpd: {}: client={}", id, client_text(e.client_name, e.client));
    if (!e.sasl_method.empty()) line += ", sasl_method=" + printable(e.sasl_method);
    if (!e.user.empty()) line += ", sasl_username=" + printable(e.user);
    if (!e.origin.empty()) line += ", orig_client=" + printable(e.origin);
    return line + fmt::format(
                      "\ncleanup: {}: message-id=<{}>\n"
                      "qmgr: {}: from=<{}>, size={}, nrcpt={} (queue active)",
                      id, printable(message_id), id, printable(e.reverse_path), e.size,
                      e.recipients);
  }

  // The line that there are most of: one for each recipient. Nothing is put together twice.
  std::string operator()(const events::attempted& e) const {
    const auto& t = e.took;
    std::string line;
    line.reserve(160 + e.forward_path.size() + e.next_hop.size() + e.reason.size());
    line += "smtp: ";
    line += e.id.text();
    line += ": to=<";
    append_printable(line, e.forward_path);
    line += ">, relay=";
    append_printable(line, e.next_hop.empty() ? "none" : e.next_hop);
    if (e.connection_use > 1) line += ", conn_use=" + std::to_string(e.connection_use);
    line += ", delay=";
    append_seconds(line, t.before_queue + t.in_queue + t.connecting + t.sending);
    const char* between = ", delays=";
    for (const auto part : {t.before_queue, t.in_queue, t.connecting, t.sending}) {
      line += between;
      append_seconds(line, part);
      between = "/";
    }
    if (!e.tls.empty()) line += ", tls=";
    append_printable(line, e.tls);
    line += ", dsn=";
    append_printable(line, e.dsn);
    line += ", status=";
    append_printable(line, e.status);
    line += " (";
    append_printable(line, e.reason, reason_limit);
    line += ')';
    return line;
  }

  std::string operator()(const events::bounced& e) const {
    return fmt::format("bounce: {}: sender non-delivery notification: {}", e.id.text(),
                       e.report.text());
  }

  std::string operator()(const events::expired& e) const {
    return fmt::format("qmgr: {}: from=<{}>, status=expired, returned to sender", e.id.text(),
                       printable(e.reverse_path));
  }

  std::string operator()(const events::removed& e) const {
    return fmt::format("qmgr: {}: removed", e.id.text());
  }

  std::string operator()(const events::notice& e) const {
    return fmt::format("{}: {}{}", printable(e.component), e.is_warning ? "warning: " : "",
                       printable(e.text, reason_limit));
  }
};

}  // namespace

std::string to_text(const event& e) {
  return std::visit(text_of{}, e);
}

bool is_warning(const event& e) noexcept {
  if (const auto* n = std::get_if<events::notice>(&e)) return n->is_warning;
  return std::holds_alternative<events::rejected>(e) ||
         std::holds_alternative<events::auth_failed>(e);
}

}  // namespace relais
