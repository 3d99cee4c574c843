// Which test provokes each reply: for docs/replies.md, and for the test that holds this table
// complete and true.
#pragma once

#include <array>
#include <string_view>

#include "smtp/replies.hpp"

namespace relais::testing {

struct reply_test {
  smtp::reply_id id;
  std::string_view file;  ///< below tests/
  std::string_view name;  ///< stands in that file, where the reply's name stands, too
};

inline constexpr auto reply_tests = [] {
  using enum smtp::reply_id;
  constexpr std::string_view wire = "unit/smtp/server_replies_test.cpp";
  constexpr std::string_view session = "each reply that begins or ends a session";
  constexpr std::string_view command = "each reply to a command that cannot be served";
  constexpr std::string_view mail = "each reply to MAIL and RCPT";
  constexpr std::string_view content = "each reply to content";
  constexpr std::string_view auth = "each reply to AUTH";
  constexpr std::string_view tls = "each reply about TLS and proxies";
  constexpr std::string_view injection =
      "in clear behind STARTTLS is answered with synchronization_error";
  constexpr std::string_view refusal = "each reply in place of the greeting";
  return std::to_array<reply_test>({
      {greeting, wire, session},
      {bye, wire, session},
      {hello, wire, session},
      {hello_needs_domain, wire, session},
      {ok, wire, session},
      {help, wire, session},
      {cannot_verify, wire, session},
      {too_many_errors, wire, session},
      {foreign_protocol, wire, session},
      {bare_newline, wire, session},
      {unknown_command, wire, command},
      {invalid_octets, wire, command},
      {line_too_long, wire, command},
      {syntax_argument, wire, command},
      {no_argument_allowed, wire, command},
      {argument_not_implemented, wire, command},
      {expn_disabled, wire, command},
      {not_implemented, wire, command},
      {hello_first, wire, command},
      {nested_mail, wire, command},
      {mail_first, wire, command},
      {rcpt_first, wire, command},
      {no_valid_recipients, wire, command},
      {sender_ok, wire, mail},
      {recipient_ok, wire, mail},
      {sender_syntax, wire, mail},
      {recipient_syntax, wire, mail},
      {bad_parameter_value, wire, mail},
      {unknown_parameter, wire, mail},
      {parameter_not_offered, wire, mail},
      {size_too_big, wire, mail},
      {sender_name_not_allowed, wire, mail},
      {recipient_name_not_allowed, wire, mail},
      {utf8_not_declared, wire, mail},
      {start_data, wire, content},
      {queued, wire, content},
      {chunk_received, wire, content},
      {message_too_big, wire, content},
      {nul_in_content, wire, content},
      {text_line_too_long, wire, content},
      {chunking_in_progress, wire, content},
      {chunking_failed, wire, content},
      {binary_needs_chunking, wire, content},
      {authenticated, wire, auth},
      {auth_challenge, wire, auth},
      {auth_line_too_long, wire, auth},
      {base64_undecodable, wire, auth},
      {auth_cancelled, wire, auth},
      {mechanism_unknown, wire, auth},
      {auth_not_offered, wire, auth},
      {auth_twice, wire, auth},
      {auth_in_transaction, wire, auth},
      {auth_required, wire, auth},
      {starttls_ready, wire, tls},
      {starttls_not_offered, wire, tls},
      {tls_twice, wire, tls},
      {starttls_in_transaction, wire, tls},
      {tls_required, wire, tls},
      {insufficient_authorization, wire, tls},
      {synchronization_error, wire, injection},
      {sequence, wire, tls},
      {no_service, wire, refusal},
      {never_accepts_mail, wire, refusal},
  });
}();

/// Replies of the drivers whose test is not named yet: to be emptied. A row that is in neither
/// table fails the test, and so does one in both.
inline constexpr auto replies_without_test = [] {
  using enum smtp::reply_id;
  return std::to_array<smtp::reply_id>({
      priority_lowered,
      draining,
      too_many_connections,
      idle_timeout,
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
      initial_response_forbidden,
      encryption_needed,
      account_disabled,
      mechanism_too_weak,
      auth_failed,
      trust_required,
      encryption_for_mechanism,
      relay_denied,
      policy_rejected,
      mailbox_unknown,
      sender_domain_unknown,
      recipient_domain_unknown,
      sender_null_mx,
      reverse_dns_failed,
      listed_by_dns,
      sender_not_allowed,
      loop_detected,
      header_too_large,
      malformed_message,
      conversion_required,
      transaction_failed,
      recipient_null_mx,
      routed_address,
  });
}();

}  // namespace relais::testing
