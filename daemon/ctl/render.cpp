#include "daemon/ctl/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "base/text.hpp"

namespace relais::ctl {
namespace {

using spool::recipient_status;

std::tm broken_down(wall_time at, bool local) {
  const auto seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count());
  std::tm parts{};
  if (local) {
    ::localtime_r(&seconds, &parts);
  } else {
    ::gmtime_r(&seconds, &parts);
  }
  return parts;
}

// Names in English whatever the locale: scripts read them.
constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool was_tried(const spool::recipient_state& state) {
  return state.attempts > 0 || !state.diagnostic.empty();
}

// No time is set before the first attempt: it is made as soon as the daemon runs.
std::string next_attempt(const spool::recipient_state& state) {
  return state.next_attempt == wall_time{} ? "at once" : local_time(state.next_attempt);
}

/// Why the recipient still waits, as one piece for parentheses; "" before the first attempt.
std::string reason(const spool::recipient_state& state) {
  if (!was_tried(state)) return {};
  auto text = printable(state.diagnostic, 1024);
  if (!text.empty()) text += "; ";
  return text + "next attempt " + next_attempt(state);
}

std::string state_line(const spool::recipient_state& state) {
  std::string text(to_text(state.status));
  if (state.attempts > 0) {
    text += fmt::format(", {} {}", state.attempts, state.attempts == 1 ? "attempt" : "attempts");
  }
  if (state.status == recipient_status::pending) {
    text += ", next attempt " + next_attempt(state);
  }
  return text;
}

}  // namespace

std::string local_time(wall_time at) {
  const auto t = broken_down(at, true);
  return fmt::format("{} {} {:>2} {:02}:{:02}:{:02}", days[t.tm_wday], months[t.tm_mon], t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec);
}

std::string rfc3339(wall_time at) {
  const auto t = broken_down(at, false);
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

std::string sender_text(const smtp::path& reverse_path) {
  return reverse_path.is_null() ? "MAILER-DAEMON" : printable(reverse_path.text());
}

std::string list_heading() {
  return "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n";
}

std::string list_entry(const spool::stored_message& message) {
  const auto id = message.id.text() + (message.is_held ? "!" : "");
  auto text = fmt::format("{:<17} {:>8} {:<19} {}\n", id, message.content_size,
                          local_time(message.arrival), sender_text(message.envelope.reverse_path));
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    const auto& state = message.recipients[i];
    if (state.status != recipient_status::pending) continue;
    const auto why = reason(state);
    if (!why.empty()) text += fmt::format("{:>76}\n", "(" + why + ")");
    const auto address = printable(message.envelope.forward_paths.at(i).text());
    text += fmt::format("{:47}{}\n", "", address);
  }
  return text + "\n";
}

std::string list_summary(std::uint64_t messages, std::uint64_t octets) {
  if (messages == 0) return "Mail queue is empty\n";
  return fmt::format("-- {} Kbytes in {} Request{}.\n", (octets + 1023) / 1024, messages,
                     messages == 1 ? "" : "s");
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

namespace {

std::string extra_lines(const smtp::envelope& e) {
  std::string text;
  if (e.ret != smtp::dsn_return::unspecified) {
    text += fmt::format("ret         {}\n", e.ret == smtp::dsn_return::full ? "FULL" : "HDRS");
  }
  if (!e.envelope_id.empty()) text += fmt::format("envid       {}\n", printable(e.envelope_id));
  if (e.require_tls) text += "requiretls  yes\n";
  if (e.priority != 0) text += fmt::format("priority    {}\n", e.priority);
  if (e.hold_until) text += fmt::format("hold until  {}\n", local_time(*e.hold_until));
  if (e.by) text += fmt::format("deliver by  {}\n", local_time(e.by->at));
  return text;
}

std::string option_lines(const smtp::recipient_options& options) {
  std::string text;
  if (options.notify.is_specified()) {
    text += fmt::format("            notify {}\n", notify_text(options.notify));
  }
  if (!options.original_recipient.empty()) {
    text += fmt::format("            orcpt {}\n", printable(options.original_recipient));
  }
  return text;
}

}  // namespace

std::string details(const spool::stored_message& message) {
  const auto& envelope = message.envelope;
  auto text = fmt::format("id          {}\n", message.id.text());
  text += fmt::format("arrival     {}\n", local_time(message.arrival));
  text += fmt::format("size        {} octets\n", message.content_size);
  text += fmt::format("held        {}\n", message.is_held ? "yes" : "no");
  text += fmt::format("body        {}{}\n", body_name(envelope.body),
                      envelope.smtputf8 ? ", SMTPUTF8" : "");
  text += fmt::format("sender      {}\n", sender_text(envelope.reverse_path));
  text += extra_lines(envelope);
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    const auto& state = message.recipients[i];
    text += fmt::format("recipient   {}\n", printable(envelope.forward_paths.at(i).text()));
    text += option_lines(envelope.options_of(i));
    text += fmt::format("            {}\n", state_line(state));
    if (state.diagnostic.empty()) continue;
    text += fmt::format("            {}\n", printable(state.diagnostic, 1024));
  }
  return text;
}

}  // namespace relais::ctl
