// One SMTP client: the driver of smtp::server_protocol. Octets in and out, TLS, decisions asked of
// policy and AUTH, content into the spool; the 250 to the final dot leaves after the message is on
// stable storage. RFC 5321 3.3, 4.2.5. Lives on one worker.
//
// The parts: session.cpp (the loop, reading and writing), session_start.cpp (greeting, TLS,
// XCLIENT), session_auth.cpp, session_commands.cpp (MAIL, RCPT), session_content.cpp (DATA to 250),
// session_log.cpp.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "auth/authenticator.hpp"
#include "base/event.hpp"
#include "base/raw_buffer.hpp"
#include "config/settings.hpp"
#include "inbound/content_pace.hpp"
#include "inbound/gatekeeper.hpp"
#include "inbound/incoming_content.hpp"
#include "inbound/listener_profile.hpp"
#include "net/stream.hpp"
#include "policy/relay_access.hpp"
#include "queue/queued_message.hpp"
#include "queue/spool_gate.hpp"
#include "smtp/server_protocol.hpp"
#include "tls/server_context.hpp"

namespace relais::inbound {

/// What all sessions of one worker share; outlives them.
struct session_context {
  const net::runtime& world;
  const config::settings& settings;
  const policy::relay_access& access;
  const smtp::reply_texts& texts;
  tls::server_certificates& certificates;
  auth::authenticator* authenticator;  ///< null: no AUTH
  gatekeeper& keeper;
  queue::spool_gate& gate;
  queue::memory_budget& budget;
  queue_id_source& ids;
  event_sink& events;
  const std::atomic<std::uint64_t>& connections;  ///< of all workers
  /// Hands a durable message to this worker's dispatcher.
  std::function<void(std::shared_ptr<const queue::queued_message>)> enqueue;
};

class session {
 public:
  /// `client`: behind a load balancer the true one.
  session(const session_context& context, const listener_profile& profile,
          std::unique_ptr<net::stream> connection, const endpoint& client);

  /// The whole life of the session. `refusal`: greet with that reply and close.
  net::task<void> serve(std::optional<smtp::reply_id> refusal);
  /// Leave at the next command boundary with 421; a transaction under way may finish.
  void drain() noexcept;
  const endpoint& client() const noexcept { return client_; }
  bool is_trusted() const noexcept { return facts_.is_trusted; }

 private:
  static constexpr std::size_t content_read_least = 4 * 1024;

  struct transaction {
    smtp::envelope envelope;
    queue_id id;
    wall_time arrival{};
    bool has_sender = false;                    ///< MAIL named one, whether it was accepted or not
    std::unique_ptr<incoming_content> content;  ///< from DATA on
  };
  enum class goes_on : bool { no, yes };

  // The loop.
  net::task<goes_on> handle(smtp::server_event e);
  net::task<bool> flush();
  net::task<bool> fill();
  net::task<bool> fill_content();
  bool failed_read(error_code why);
  net::task<void> tarpit();
  net::task<void> end();
  void forget_origin() noexcept;
  duration command_patience() const noexcept;
  void leave_if_draining();

  // Start.
  net::task<bool> begin(std::optional<smtp::reply_id> refusal);
  net::task<bool> handshake(std::shared_ptr<SSL_CTX> context);
  net::task<bool> talks_early();
  net::task<goes_on> on_starttls();
  void learn_certificate();
  void offer_mechanisms();
  void forget_login();
  void choose_newlines();
  net::task<void> on_xclient(std::span<const smtp::client_attribute> attributes);
  void on_xforward(std::span<const smtp::client_attribute> attributes);

  // AUTH.
  net::task<void> on_auth(std::string_view mechanism, std::optional<std::string_view> response);
  net::task<void> advance_login(std::optional<std::string> response);
  net::task<void> refuse_login(auth::login_step step);
  void on_auth_cancelled();

  // Commands.
  net::task<void> on_mail(const smtp::path& sender, const smtp::mail_parameters& given);
  net::task<void> on_rcpt(const smtp::path& named, const smtp::rcpt_parameters& given);
  std::optional<smtp::reply_id> storage_refusal(std::uint64_t size) const;
  std::optional<smtp::reply_id> sender_refusal(const smtp::path& sender, std::uint64_t size) const;
  bool is_too_late(const smtp::mail_parameters& given) const;
  /// May send anywhere: by its address, its certificate or its login.
  bool is_permitted() const noexcept { return facts_.is_exempt(); }
  std::optional<smtp::reply_id> take_parameters(const smtp::mail_parameters& given);
  /// A bare local-part of our own users gets our domain (RFC 6409 6.2).
  smtp::path qualified(const smtp::path& given, bool is_recipient) const;
  void add_recipient(const smtp::path& recipient, const smtp::rcpt_parameters& given);

  // Content.
  void on_data();
  void complete_header_of(incoming_content& content);
  std::string trace_header() const;
  void choose_buffer();
  std::optional<smtp::reply_id> content_fault() const;
  net::task<void> accept_content(std::optional<smtp::reply_id> fault);
  net::task<void> append(transaction t);
  net::task<void> give_way();
  void not_queued(queue_id id, error_code why);

  // Log.
  void reject(std::string_view command, smtp::reply_id id, std::string_view argument,
              const smtp::path* forward_path, std::string_view rule = {});
  void log_refusal(std::string_view command, smtp::reply_id id, std::string_view argument,
                   const smtp::path* forward_path, std::string_view rule);
  void log_accepted(const spool::message& stored, std::string_view message_id) const;
  void lost(const char* how);
  std::string_view protocol_word() const noexcept;
  std::string counts_text() const;

  const session_context& context_;
  const listener_profile& profile_;
  endpoint client_;
  client_facts facts_;
  std::shared_ptr<SSL_CTX> tls_context_;  // of stream_, so it goes later
  std::unique_ptr<net::stream> stream_;
  auth::channel channel_;
  smtp::server_protocol protocol_;
  std::unique_ptr<auth::login> login_;
  std::string mechanism_;  // of login_, or of the one that succeeded
  auth::account account_;
  unsigned auth_failures_ = 0;
  unsigned errors_seen_ = 0;
  // Of XFORWARD, for the next message.
  std::string origin_name_, origin_address_;
  transaction transaction_;
  raw_buffer buffer_;
  /// Size of buffer_ within content, also of a refused chunk that is only skipped: never 0.
  std::size_t content_read_ = content_read_least;
  queue::memory_lease buffer_lease_;       ///< for it, while it is large
  content_pace pace_, pause_pace_;         ///< within content, and between its chunks (BDAT)
  std::optional<std::uint32_t> armed_at_;  ///< the command that the running deadline is for
  std::uint64_t messages_ = 0;
  bool is_spoken_for_ = false;  // by XCLIENT
  bool is_bound_ = false;       // to the senders of account_
  bool draining_ = false;
  bool closing_ = false;
};

/// What a listener offers to that client: some extensions are for named networks only.
smtp::extension_set offered_to(const ip_address& client, const config::policy_settings& policy,
                               const listener_profile& profile);
/// Of all commands together.
std::uint32_t total_of(const smtp::command_counts& counts) noexcept;
/// "ehlo=1 mail=1 rcpt=0/2 commands=3/4": ok/total where they differ.
std::string text_of(const smtp::command_counts& counts);

}  // namespace relais::inbound
