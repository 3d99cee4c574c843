// Every reply that our server can emit: the one reply table (code, enhanced code, text, situation).
// No three-digit literal stands anywhere else. RFC 5321 4.2, RFC 3463, RFC 2034.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace relais::smtp {

enum class reply_id : std::uint8_t {
  greeting,
  bye,
  starttls_ready,
  authenticated,
  hello,
  ok,
  sender_ok,
  recipient_ok,
  queued,
  chunk_received,
  priority_lowered,
  auth_challenge,
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
  overloaded,
  too_many_auth_failures,
  password_transition_needed,
  queue_write_failed,
  transaction_error,
  lookup_failed,
  congested,
  no_storage,
  no_storage_for_size,
  too_many_recipients,
  rate_limited,
  policy_deferred,
  greylisted,
  sender_domain_unresolved,
  recipient_domain_unresolved,
  reverse_dns_deferred,
  priority_deferred,
  relay_deferred,
  tls_unavailable,
  auth_unavailable,
  parameter_unusable_now,
  unknown_command,
  invalid_octets,
  line_too_long,
  auth_line_too_long,
  syntax_argument,
  hello_needs_domain,
  no_argument_allowed,
  sender_syntax,
  recipient_syntax,
  bad_parameter_value,
  base64_undecodable,
  auth_cancelled,
  initial_response_forbidden,
  expn_disabled,
  not_implemented,
  starttls_not_offered,
  auth_not_offered,
  hello_first,
  nested_mail,
  mail_first,
  rcpt_first,
  sequence,
  auth_twice,
  auth_in_transaction,
  tls_twice,
  starttls_in_transaction,
  chunking_in_progress,
  chunking_failed,
  binary_needs_chunking,
  mechanism_unknown,
  argument_not_implemented,
  foreign_protocol,
  encryption_needed,
  account_disabled,
  auth_required,
  tls_required,
  mechanism_too_weak,
  auth_failed,
  trust_required,
  encryption_for_mechanism,
  unknown_parameter,
  parameter_not_offered,
  relay_denied,
  policy_rejected,
  mailbox_unknown,
  sender_domain_unknown,
  recipient_domain_unknown,
  sender_null_mx,
  reverse_dns_failed,
  listed_by_dns,
  insufficient_authorization,
  sender_not_allowed,
  sender_name_not_allowed,
  recipient_name_not_allowed,
  routed_address,
  bare_newline,
  message_too_big,
  size_too_big,
  no_valid_recipients,
  synchronization_error,
  loop_detected,
  nul_in_content,
  text_line_too_long,
  header_too_large,
  malformed_message,
  conversion_required,
  transaction_failed,
  utf8_not_declared,
  recipient_null_mx,
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
/// The server closes the connection behind it: 221, 421, 521 (RFC 5321 4.2.2, RFC 7504), and what
/// leaves client and server out of step.
bool closes_connection(const reply_row& reply) noexcept;
/// The text begins with our host name, which is then the argument (RFC 5321 4.2): 220, 221, 421.
bool names_host(const reply_row& reply) noexcept;

/// Texts that the configuration puts in place of those of the table; codes never change. Built at
/// start, then only read.
class reply_texts {
 public:
  /// "" on success, else what is wrong: not printable ASCII, too long, "{}" missing where the text
  /// must name our host.
  std::string set(reply_id id, std::string_view text);
  std::string_view text_of(reply_id id) const noexcept;

 private:
  std::array<std::string, static_cast<std::size_t>(reply_id::count_)> texts_;
};

/// "relay_denied": how the configuration and docs/replies.md name a row.
std::string_view name_of(reply_id id) noexcept;
std::optional<reply_id> find_reply(std::string_view name) noexcept;
/// docs/replies.md is this text (a test compares). `test_of` names the test of a row.
std::string replies_markdown(std::string_view (*test_of)(reply_id));

/// Appends the wire form: "550 5.7.1 text\r\n", split into several lines if one would exceed 512
/// octets. `with_enhanced`: the client said EHLO. `argument` replaces "{}": printable ASCII stays,
/// any other octet becomes \xHH, and of a very long one only the beginning is shown.
void append_reply(std::string& output, reply_id id, bool with_enhanced,
                  std::string_view argument = {}, const reply_texts* texts = nullptr);

/// Appends "334 " and `octets` in base64: one line, however long (RFC 4954 4).
void append_challenge(std::string& output, std::string_view octets);

/// Appends the reply to HELO (no keywords) or EHLO (a line for each keyword). The first line is
/// never split: what follows it would be taken for a keyword.
void append_hello(std::string& output, std::string_view hostname, std::string_view client,
                  std::span<const std::string_view> keywords = {});

}  // namespace relais::smtp
