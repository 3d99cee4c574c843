// What a session writes to the log: refusals with the rule that decided, losses, the message
// accepted, the counts of commands.
#include <fmt/format.h>

#include "inbound/session.hpp"
#include "message/trace.hpp"

namespace relais::inbound {

void session::lost(const char* how) {
  const auto octets = protocol_.in_content() ? protocol_.content_octets() : 0;
  context_.events.emit(
      events::connection_lost{facts_.name, client_, how, protocol_.last_command(), octets});
}

std::string_view session::protocol_word() const noexcept {
  return message::protocol_word(protocol_.greeted_with_ehlo(), stream_->is_tls(),
                                !facts_.user.empty(), transaction_.envelope.smtputf8);
}

void session::log_refusal(std::string_view command, smtp::reply_id id, std::string_view argument,
                          const smtp::path* forward_path, std::string_view rule) {
  std::string text;
  smtp::append_reply(text, id, true, argument, &context_.texts);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const auto sender = transaction_.envelope.reverse_path.text();
  const auto recipient = forward_path != nullptr ? forward_path->text() : std::string();
  events::rejected e;
  e.command = command;
  e.client_name = facts_.name;
  e.client = client_;
  e.reply = text;
  e.reverse_path = sender;
  e.has_reverse_path = transaction_.has_sender;
  e.forward_path = recipient;
  e.has_forward_path = forward_path != nullptr;
  e.protocol = protocol_word();
  e.hello = protocol_.hello();
  e.user = facts_.user;
  e.rule = rule;
  context_.events.emit(e);
}

void session::reject(std::string_view command, smtp::reply_id id, std::string_view argument,
                     const smtp::path* forward_path, std::string_view rule) {
  log_refusal(command, id, smtp::names_host(smtp::row(id)) ? context_.settings.hostname : argument,
              forward_path, rule);
  protocol_.reply(id, argument);
}

void session::log_accepted(const spool::message& stored, std::string_view message_id) const {
  const auto sender = stored.envelope.reverse_path.text();
  events::accepted done;
  done.id = stored.id;
  done.client_name = facts_.name;
  done.client = client_;
  done.message_id = message_id;
  done.reverse_path = sender;
  done.size = stored.content_size();
  done.recipients = stored.envelope.forward_paths.size();
  if (!facts_.user.empty()) {
    done.sasl_method = mechanism_;
    done.user = facts_.user;
  }
  std::string origin;
  if (!origin_address_.empty()) {
    origin =
        fmt::format("{}[{}]", origin_name_.empty() ? "unknown" : origin_name_, origin_address_);
  }
  done.origin = origin;
  context_.events.emit(done);
}

std::uint32_t total_of(const smtp::command_counts& c) noexcept {
  return c.ehlo.total + c.helo.total + c.starttls.total + c.auth.total + c.mail.total +
         c.rcpt.total + c.data.total + c.bdat.total + c.rset.total + c.noop.total + c.quit.total +
         c.vrfy.total + c.help.total + c.xclient.total + c.xforward.total + c.unknown.total;
}

std::string text_of(const smtp::command_counts& c) {
  std::string text;
  unsigned ok = 0, total = 0;
  const auto add = [&](const char* name, const smtp::command_counts::pair& p) {
    ok += p.ok;
    total += p.total;
    if (p.total == 0) return;
    text += p.ok == p.total ? fmt::format("{}={} ", name, p.total)
                            : fmt::format("{}={}/{} ", name, p.ok, p.total);
  };
  add("ehlo", c.ehlo);
  add("helo", c.helo);
  add("starttls", c.starttls);
  add("auth", c.auth);
  add("mail", c.mail);
  add("rcpt", c.rcpt);
  add("data", c.data);
  add("bdat", c.bdat);
  add("rset", c.rset);
  add("noop", c.noop);
  add("vrfy", c.vrfy);
  add("help", c.help);
  add("xclient", c.xclient);
  add("xforward", c.xforward);
  add("quit", c.quit);
  add("unknown", c.unknown);
  text +=
      ok == total ? fmt::format("commands={}", total) : fmt::format("commands={}/{}", ok, total);
  return text;
}

}  // namespace relais::inbound
