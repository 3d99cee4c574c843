// Every reply that our server can emit: the one reply table (code, enhanced code, text, situation).
// No three-digit literal stands anywhere else. RFC 5321 4.2, RFC 3463, RFC 2034.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace relais::smtp {

enum class reply_id : std::uint8_t {
  greeting,
  bye,
  hello,
  ok,
  sender_ok,
  recipient_ok,
  queued,
  start_data,
  help,
  cannot_verify,
  draining,
  too_many_connections,
  idle_timeout,
  too_many_errors,
  too_many_messages,
  internal_error,
  storage_exhausted,
  configuration_error,
  queue_write_failed,
  transaction_error,
  lookup_failed,
  congested,
  no_storage,
  no_storage_for_size,
  too_many_recipients,
  rate_limited,
  policy_deferred,
  relay_deferred,
  unknown_command,
  invalid_octets,
  line_too_long,
  syntax_argument,
  hello_needs_domain,
  no_argument_allowed,
  sender_syntax,
  recipient_syntax,
  bad_parameter_value,
  expn_disabled,
  not_implemented,
  hello_first,
  nested_mail,
  mail_first,
  rcpt_first,
  sequence,
  unknown_parameter,
  parameter_not_offered,
  relay_denied,
  policy_rejected,
  mailbox_unknown,
  sender_not_allowed,
  bare_newline,
  message_too_big,
  size_too_big,
  no_valid_recipients,
  loop_detected,
  nul_in_content,
  text_line_too_long,
  header_too_large,
  malformed_message,
  transaction_failed,
  utf8_not_declared,
  no_service,
  never_accepts_mail,
  count_
};

struct reply_row {
  reply_id id;
  unsigned code;
  std::string_view enhanced;   ///< "" where none is allowed: greeting, HELO/EHLO, 3xx
  std::string_view text;       ///< "{}" is replaced by the argument of the call, made printable
  std::string_view situation;  ///< when it is sent, in a postmaster's words
  std::string_view rfc;
};

std::span<const reply_row> reply_table() noexcept;
const reply_row& row(reply_id id) noexcept;

// What the first digits say (RFC 5321 4.2.1), so that nobody else compares codes.
bool is_positive(const reply_row& reply) noexcept;      ///< 2xx
bool is_intermediate(const reply_row& reply) noexcept;  ///< 3xx
bool is_refusal(const reply_row& reply) noexcept;       ///< 4xx and 5xx
/// The server closes the connection behind it (RFC 5321 4.2.2, RFC 7504): 221, 421, 521.
bool closes_connection(const reply_row& reply) noexcept;
/// The text begins with our host name, which is then the argument (RFC 5321 4.2): 220, 221, 421.
bool names_host(const reply_row& reply) noexcept;

/// Appends the wire form: "550 5.7.1 text\r\n", split into several lines if one would exceed 512
/// octets. `with_enhanced`: the client said EHLO. `argument` replaces "{}": printable ASCII stays,
/// any other octet becomes \xHH, and of a very long one only the beginning is shown.
void append_reply(std::string& output, reply_id id, bool with_enhanced,
                  std::string_view argument = {});

/// Appends the reply to HELO (no keywords) or EHLO (a line for each keyword). The first line is
/// never split: what follows it would be taken for a keyword.
void append_hello(std::string& output, std::string_view hostname, std::string_view client,
                  std::span<const std::string_view> keywords = {});

}  // namespace relais::smtp
