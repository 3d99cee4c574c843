// What a server session remembers, for server_protocol.cpp (reading, the public face) and
// server_commands.cpp (commands, answers). Nobody else includes this.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "smtp/command_buffer.hpp"
#include "smtp/command_parser.hpp"
#include "smtp/content.hpp"
#include "smtp/extensions.hpp"
#include "smtp/server_protocol.hpp"
#include "smtp/server_transitions.hpp"

namespace relais::smtp {

/// None: answered already, or nothing to tell yet.
using maybe_event = std::optional<server_event>;

inline server_event event_of(server_event_kind what, std::string_view text = {}) {
  server_event event;
  event.kind = what;
  event.text = text;
  return event;
}

struct server_protocol::state {
  static constexpr std::size_t least_command_line = 512;  // RFC 5321 4.5.3.1.4
  static constexpr std::size_t least_text_line = 1000;    // RFC 5321 4.5.3.1.6

  explicit state(server_options given)
      : options(std::move(given)),
        extensions(options.limits.message_size),
        input(std::max(options.limits.command_line, least_command_line), options.newlines),
        decoder(text_line_limit()) {}

  // Reading.
  server_event next();
  maybe_event next_command();
  maybe_event next_content();
  std::optional<reply_id> content_fault() const noexcept;
  void begin_content();
  std::size_t text_line_limit() const noexcept {
    return std::max(options.limits.text_line, least_text_line);
  }

  // Commands; the event is for the driver, none: answered.
  maybe_event execute(std::string_view line);
  maybe_event serve(const command& given);
  void greet_client(const command& given);
  void leave_transaction(phase to) noexcept;
  maybe_event read_mail(std::string_view argument);
  maybe_event read_rcpt(std::string_view argument);
  maybe_event await(verb what, server_event event) noexcept;

  // Answering.
  void answer(reply_id id, std::string_view argument = {});
  void accept(verb what, reply_id id, std::string_view argument = {});
  void refuse(verb what, reply_id id, std::string_view argument = {});
  void decide(verb what, reply_id id, std::string_view argument);
  command_counts::pair& count_of(verb what) noexcept;
  void end_session(server_event_kind how) noexcept { over = how; }

  server_options options;
  offered_extensions extensions;
  command_buffer input;
  content_decoder decoder;
  std::string output;
  std::size_t written = 0;  // octets of output that are gone

  phase at = phase::connected;
  bool greeted_client = false;            // greet() was called
  bool ehlo = false;                      // enhanced codes and parameters
  std::optional<verb> pending;            // the driver owes a reply
  std::optional<server_event_kind> over;  // quit or fatal
  bool tell_reset = false, tell_hello = false;
  bool content_over = false;  // the end was read, end_of_data is to be told
  unsigned errors = 0;

  // Their memory is used again: by the next command, by the next piece of the same content.
  std::string hello, content;
  parsed_path address;
  mail_parameters parameters;

  std::string_view last_command = "CONNECT";
  std::uint64_t content_octets = 0;
  command_counts counts;
};

}  // namespace relais::smtp
