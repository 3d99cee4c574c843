// A driver for server_protocol without sockets: it decides by simple rules, collects all output and
// all content, and feeds the client's octets in pieces of any size.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/server_protocol.hpp"

namespace relais::smtp {

inline server_options usual_options() {
  server_options options;
  options.hostname = "mx.example";
  options.extensions = extension_set::usual();
  return options;
}

struct session_rules {
  server_options options = usual_options();
  std::optional<reply_id> refusal{};  ///< greeting
  /// At most this many recipients are accepted.
  std::size_t recipients = 100;
  std::optional<reply_id> data_refusal{};  ///< to DATA or the first BDAT
  reply_id starttls = reply_id::starttls_ready;
};

class scripted_session {
 public:
  explicit scripted_session(session_rules rules) : rules_(std::move(rules)), smtp_(rules_.options) {
    smtp_.greet(rules_.refusal);
    run();
  }

  /// False when the session is over.
  bool feed(std::string_view octets) {
    if (over_) return false;
    smtp_.receive(octets);
    run();
    return !over_;
  }

  server_protocol& protocol() { return smtp_; }
  /// Everything that was sent, greeting included.
  std::string sent() const { return sent_; }
  /// Content of every message that was accepted, "|" behind each.
  std::string mail() const { return mail_; }
  /// What the driver was told, a letter each: h r m c t q f (hello reset mail rcpt data quit
  /// fatal), e (end of data), s (starttls), a p x (auth, response, cancelled), X W (xclient,
  /// xforward). Content is left out: how often it comes depends on the pieces.
  std::string told() const { return told_; }
  bool is_over() const { return over_; }
  /// Attributes of XCLIENT and XFORWARD, "NAME=value " each.
  std::string attributes() const { return attributes_; }

 private:
  void flush() {
    sent_ += smtp_.output();
    smtp_.output_written(smtp_.output().size());
  }

  void decide_mail(const server_event& event) {
    recipients_ = 0;
    content_.clear();
    if (event.address->domain() == "refused.example")
      return smtp_.reply(reply_id::policy_rejected, "no");
    if (event.mail->size > 5000000) return smtp_.reply(reply_id::no_storage_for_size);
    smtp_.reply(reply_id::sender_ok);
  }

  void decide_rcpt(const server_event& event) {
    if (event.address->domain() == "refused.example")
      return smtp_.reply(reply_id::relay_denied, event.address->text());
    if (event.address->domain() == "draining.example") return smtp_.reply(reply_id::draining);
    if (recipients_ == rules_.recipients) return smtp_.reply(reply_id::too_many_recipients);
    ++recipients_;
    smtp_.reply(reply_id::recipient_ok);
  }

  void decide_end(const server_event& event) {
    if (event.content_fault) return smtp_.reply(*event.content_fault);
    if (content_.find("virus") != std::string::npos)
      return smtp_.reply(reply_id::policy_rejected, "virus");
    mail_ += content_ + "|";
    smtp_.reply(reply_id::queued, "1");
  }

  /// PLAIN takes any response with "secret" in it; LOGIN asks for two, the second is that; SERVER
  /// speaks first.
  void decide_auth(const server_event& event) {
    if (event.kind == server_event_kind::auth) {
      mechanism_ = event.text;
      responses_ = 0;
      if (mechanism_ == "SERVER" && event.response)
        return smtp_.reply(reply_id::initial_response_forbidden);
    }
    if (event.response) ++responses_;
    const auto needed = mechanism_ == "PLAIN" ? 1u : 2u;
    if (responses_ < needed) {
      return smtp_.challenge(mechanism_ == "PLAIN" ? "" : responses_ == 0 ? "User" : "Pass");
    }
    if (event.response->find("secret") != std::string_view::npos)
      return smtp_.reply(reply_id::authenticated);
    smtp_.reply(reply_id::auth_failed);
  }

  void keep_attributes(const server_event& event) {
    for (const auto& [name, value] : event.attributes)
      attributes_ += std::string(name) + '=' + value + ' ';
  }

  void start_tls() {
    smtp_.reply(rules_.starttls);
    flush();
    if (rules_.starttls == reply_id::starttls_ready) smtp_.tls_started();
  }

  void run() {
    for (;;) {
      const auto event = smtp_.next();
      switch (event.kind) {
        case server_event_kind::need_input: return flush();
        case server_event_kind::hello: told_ += 'h'; break;
        case server_event_kind::reset: told_ += 'r'; break;
        case server_event_kind::mail:
          told_ += 'm';
          decide_mail(event);
          break;
        case server_event_kind::rcpt:
          told_ += 'c';
          decide_rcpt(event);
          break;
        case server_event_kind::data:
          told_ += 't';
          smtp_.reply(rules_.data_refusal.value_or(reply_id::start_data));
          break;
        case server_event_kind::content: content_ += event.text; break;
        case server_event_kind::end_of_data:
          told_ += 'e';
          decide_end(event);
          break;
        case server_event_kind::starttls:
          told_ += 's';
          start_tls();
          break;
        case server_event_kind::auth:
        case server_event_kind::auth_response:
          told_ += event.kind == server_event_kind::auth ? 'a' : 'p';
          decide_auth(event);
          break;
        case server_event_kind::auth_cancelled: told_ += 'x'; break;
        case server_event_kind::xclient:
          told_ += 'X';
          keep_attributes(event);
          smtp_.reply(reply_id::greeting);
          break;
        case server_event_kind::xforward:
          told_ += 'W';
          keep_attributes(event);
          smtp_.reply(reply_id::ok);
          break;
        case server_event_kind::quit:
        case server_event_kind::fatal:
          told_ += event.kind == server_event_kind::quit ? 'q' : 'f';
          over_ = true;
          return flush();
      }
    }
  }

  session_rules rules_;
  server_protocol smtp_;
  std::string sent_, mail_, told_, content_, attributes_, mechanism_;
  std::size_t recipients_ = 0;
  unsigned responses_ = 0;
  bool over_ = false;
};

}  // namespace relais::smtp
