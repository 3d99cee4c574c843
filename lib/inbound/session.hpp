// One SMTP client: the driver of smtp::server_protocol. Octets in and out, decisions asked of
// policy, content into the spool; the 250 to the final dot leaves after the message is on stable
// storage. RFC 5321 3.3, 4.2.5. Lives on one worker.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event.hpp"
#include "config/settings.hpp"
#include "inbound/incoming_content.hpp"
#include "net/stream.hpp"
#include "policy/relay_access.hpp"
#include "queue/queued_message.hpp"
#include "queue/spool_gate.hpp"
#include "smtp/server_protocol.hpp"

namespace relais::inbound {

/// What all sessions of one worker share; outlives them.
struct session_context {
  const net::runtime& world;
  const config::settings& settings;
  const policy::relay_access& access;
  queue::spool_gate& gate;
  queue::memory_budget& budget;
  queue_id_source& ids;
  event_sink& events;
  /// Hands a durable message to the worker that owns the queue.
  std::function<void(std::shared_ptr<queue::queued_message>)> enqueue;
};

class session {
 public:
  session(const session_context& context, net::accepted_connection accepted);

  /// The whole life of the session. `refusal`: greet with that reply and close.
  net::task<void> serve(std::optional<smtp::reply_id> refusal);
  /// Leave at the next command boundary with 421; a transaction under way may finish.
  void drain() noexcept;
  const endpoint& client() const noexcept { return client_; }

 private:
  struct transaction {
    smtp::envelope envelope;
    queue_id id;
    wall_time arrival{};
    std::unique_ptr<incoming_content> content;  ///< from DATA on
  };

  net::task<bool> flush();
  net::task<bool> fill();
  net::task<void> end();
  net::task<void> accept_content(std::optional<smtp::reply_id> fault);
  net::task<void> append(transaction t);
  void not_queued(queue_id id, error_code why);
  void choose_buffer();
  void on_mail(const smtp::server_event& e);
  void on_rcpt(const smtp::server_event& e);
  void on_data();
  std::optional<smtp::reply_id> content_fault() const;
  void reject(std::string_view command, smtp::reply_id id, std::string_view argument,
              const smtp::path* forward_path);
  void lost(const char* how);
  void leave_if_draining();
  std::uint32_t commands() const noexcept;
  std::string counts_text() const;

  const session_context& context_;
  endpoint client_;
  net::stream stream_;
  bool trusted_;
  smtp::server_protocol protocol_;
  transaction transaction_;
  std::string buffer_;
  std::size_t content_read_ = 0;           ///< size of buffer_ within the current content
  queue::memory_lease buffer_lease_;       ///< for it, while it is large
  std::optional<std::uint32_t> armed_at_;  ///< the command that the running deadline is for
  std::uint64_t messages_ = 0;
  bool draining_ = false;
  bool closing_ = false;
};

}  // namespace relais::inbound
