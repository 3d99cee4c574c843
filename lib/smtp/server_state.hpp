// What a server session remembers, for the files server_*.cpp: protocol (the public face), reading
// (lines and what they are), content (behind 354, in chunks), commands (order, answers), mail
// (MAIL, RCPT), auth (AUTH, STARTTLS, XCLIENT, XFORWARD). Nobody else includes this.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

/// A chunk of BDAT whose octets are being read.
struct incoming_chunk {
  bool is_active = false;
  bool is_last = false;
  bool is_too_big = false;  ///< with it the message exceeds the limit: dropped, told at its end
  bool fails_transaction = false;    ///< the driver refused it
  std::uint64_t size = 0, left = 0;  ///< octets
  std::optional<reply_id> refusal;   ///< it is dropped, then this is answered
  std::string argument;              ///< of that reply
};

struct server_protocol::state {
  static constexpr std::size_t least_command_line = 512;  // RFC 5321 4.5.3.1.4
  static constexpr std::size_t least_text_line = 1000;    // RFC 5321 4.5.3.1.6
  static constexpr std::size_t auth_line = 12288 + 2;     // RFC 4954 4, with CRLF

  explicit state(server_options given)
      : options(std::move(given)),
        input(least_command_line, options.newlines),
        decoder(text_line_limit()) {
    choose_line_limit();
  }

  // Reading.
  server_event next();
  maybe_event next_command();
  maybe_event line_too_long();
  void choose_line_limit() noexcept;

  // Content.
  maybe_event next_content();
  maybe_event next_chunk();
  maybe_event end_chunk();
  server_event end_content();
  std::optional<reply_id> content_fault() const noexcept;
  void begin_content(framing how);
  maybe_event start_chunk(std::string_view argument);
  void take_chunk();
  void drop_chunk(std::string_view argument, reply_id refusal);
  std::size_t text_line_limit() const noexcept {
    return std::max(options.limits.text_line, least_text_line);
  }
  bool is_binary() const noexcept { return parameters.body == body_type::binary_mime; }

  // Commands; the event is for the driver, none: answered.
  maybe_event execute(std::string_view line);
  std::optional<reply_id> objection(const command& given, std::string_view line) const noexcept;
  std::optional<reply_id> not_offered(verb what) const noexcept;
  bool is_junk_budget_spent(verb what) noexcept;
  maybe_event serve(const command& given);
  void serve_rset(const command& given);
  void serve_quit(const command& given);
  void serve_help(const command& given);
  void serve_vrfy(const command& given);
  void greet_client(const command& given);
  void append_announcement();
  void leave_transaction(phase to) noexcept;
  maybe_event await(verb what, server_event event) noexcept;

  // MAIL, RCPT.
  maybe_event read_mail(std::string_view argument);
  maybe_event read_rcpt(std::string_view argument);
  std::optional<reply_id> read_path(std::string_view argument, path_kind kind,
                                    std::string_view& rest);
  void refuse_path(verb what, reply_id id);

  // AUTH, STARTTLS, XCLIENT, XFORWARD.
  maybe_event start_tls(const command& given);
  maybe_event begin_auth(std::string_view argument);
  maybe_event take_response(std::string_view line);
  maybe_event cancel_auth(reply_id why);
  void end_auth() noexcept;
  void challenge(std::string_view octets);
  maybe_event read_attributes(const command& given);
  /// As behind the greeting: HELO, EHLO and AUTH are forgotten.
  void begin_anew() noexcept;

  // Answering.
  void answer(reply_id id, std::string_view argument = {});
  void accept(verb what, reply_id id, std::string_view argument = {});
  void refuse(verb what, reply_id id, std::string_view argument = {});
  void decide(verb what, reply_id id, std::string_view argument);
  void decide_end_of_data(reply_id id, std::string_view argument);
  void decide_data(verb what, reply_id id, std::string_view argument);
  command_counts::pair& count_of(verb what) noexcept;
  void end_session(server_event_kind how) noexcept { over = how; }

  session_facts facts() const noexcept;
  bool is_tls_demanded() const noexcept { return options.tls == tls_state::required; }
  bool with_enhanced() const noexcept { return announced.has(extension::enhanced_statuscodes); }
  std::string_view unwritten() const noexcept { return std::string_view(output).substr(written); }

  server_options options;
  extension_set announced;  // by the last EHLO; none behind HELO
  command_buffer input;
  content_decoder decoder;
  incoming_chunk chunk;
  std::string output;
  std::size_t written = 0;  // octets of output that are gone

  phase at = phase::connected;
  bool greeted_client = false;  // greet() was called
  bool ehlo = false;            // the last hello was EHLO
  bool authenticated = false;
  bool handshake_due = false;             // tls_started() must come before anything else
  bool batch_ended = false;               // the last command must be the last of its batch
  std::optional<verb> pending;            // the driver owes a reply
  std::optional<server_event_kind> over;  // quit or fatal
  bool tell_reset = false, tell_hello = false;
  bool content_over = false;  // the end was read, end_of_data is to be told
  unsigned errors = 0, junk = 0;

  // Their memory is used again: by the next command, by the next piece of the same content.
  std::string hello, content;
  parsed_path address;
  mail_parameters parameters;  // of the open transaction
  rcpt_parameters recipient;
  std::string response;  // of AUTH
  std::vector<client_attribute> attributes;

  std::string_view last_command = "CONNECT";
  std::uint64_t content_octets = 0;
  command_counts counts;
};

}  // namespace relais::smtp
