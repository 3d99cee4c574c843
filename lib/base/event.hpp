// What happens to connections and messages, as typed records: the one event type. The text log is
// one rendering (event_text.cpp, in the shapes that postmasters grep for); metrics and histories
// are others. Events are made on the worker where they happen; views in them live for the call of
// emit() only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/queue_id.hpp"

namespace relais {

namespace events {

struct connected {
  std::string_view client_name;
  endpoint client;
};
/// `counts` is rendered already: "ehlo=1 mail=1 rcpt=0/1 commands=3".
struct disconnected {
  std::string_view client_name;
  endpoint client;
  std::string_view counts;
};
/// Ended without QUIT: `how` is "lost connection" or "timeout", `after` the last command.
struct connection_lost {
  std::string_view client_name;
  endpoint client;
  std::string_view how, after;
  std::uint64_t octets = 0;
};
/// A command was refused (4xx/5xx by decision, not by syntax).
struct rejected {
  queue_id id;
  std::string_view command;
  std::string_view client_name;
  endpoint client;
  std::string_view reply;
  std::string_view reverse_path, forward_path, protocol, hello;
  bool has_reverse_path = true, has_forward_path = false;
  std::string_view user{};  ///< of AUTH; "" = none
  std::string_view rule{};  ///< which rule of which file and line decided; "" = none of a file
};
/// A handshake with a client is done. `certificate` is what is known of the client's: "trusted
/// fingerprint ...", "" = it sent none.
struct tls_established {
  std::string_view client_name;
  endpoint client;
  std::string_view description, certificate;
};
/// STARTTLS or implicit TLS came to nothing.
struct tls_failed {
  std::string_view client_name;
  endpoint client;
  std::string_view reason;
};
/// A login was refused. `user` is what the client said it is, as far as it said so.
struct auth_failed {
  std::string_view client_name;
  endpoint client;
  std::string_view mechanism, user, reason;
};
/// 250 was earned: the message is durable.
struct accepted {
  queue_id id;
  std::string_view client_name;
  endpoint client;
  std::string_view message_id;
  std::string_view reverse_path;
  std::uint64_t size = 0;
  std::size_t recipients = 0;
  std::string_view sasl_method{}, user{};  ///< "" without AUTH
  std::string_view origin{};  ///< who gave it to the client, as XFORWARD says; "" = unknown
};
/// Seconds before the queue, in the queue, connection set-up, transmission: delays=a/b/c/d.
struct delays {
  double before_queue = 0, in_queue = 0, connecting = 0, sending = 0;
};
/// One recipient's outcome of one attempt. status: sent, deferred, bounced.
struct attempted {
  queue_id id;
  std::string_view forward_path;
  std::string_view next_hop;  ///< "mx.d[192.0.2.9]:25" or "none"
  unsigned connection_use = 1;
  delays took;
  std::string_view tls;
  std::string_view dsn;
  std::string_view status;
  std::string_view reason;
};
/// A report was sent back to the reverse-path.
struct bounced {
  queue_id id, report;
};
/// The lifetime is over.
struct expired {
  queue_id id;
  std::string_view reverse_path;
};
struct removed {
  queue_id id;
};
/// A fault of the daemon or its surroundings.
struct notice {
  std::string_view component;
  bool is_warning = true;
  std::string_view text;
};

}  // namespace events

using event = std::variant<events::connected, events::disconnected, events::connection_lost,
                           events::rejected, events::tls_established, events::tls_failed,
                           events::auth_failed, events::accepted, events::attempted,
                           events::bounced, events::expired, events::removed, events::notice>;

/// Called on the worker where the event happened; must not block for long and never throws.
class event_sink {
 public:
  virtual ~event_sink() = default;
  virtual void emit(const event& e) noexcept = 0;
  /// Several of one moment, in their order.
  virtual void emit_all(std::span<const event> together) noexcept {
    for (const auto& e : together) emit(e);
  }
};

/// One or more log lines, "\n" between them, each "component: text" (the daemon adds ident and
/// pid); everything from the wire is made printable here.
std::string to_text(const event& e);
/// Warnings and rejections weigh more than routine.
bool is_warning(const event& e) noexcept;

}  // namespace relais
