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
  constexpr std::string_view of_connection = "session/server_replies_connection_test.cpp";
  constexpr std::string_view of_storage = "session/server_replies_storage_test.cpp";
  constexpr std::string_view of_auth = "session/server_replies_auth_test.cpp";
  constexpr std::string_view of_tls = "session/server_replies_tls_test.cpp";
  constexpr std::string_view of_policy = "session/server_replies_policy_test.cpp";
  constexpr std::string_view of_dns = "session/server_replies_dns_test.cpp";
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
      {draining, of_connection, "reply draining: an idle client at a shutdown"},
      {too_many_connections, of_connection,
       "reply too_many_connections: of one client while others are welcome"},
      {idle_timeout, of_connection, "reply idle_timeout: a silent client"},
      {too_many_messages, of_connection,
       "reply too_many_messages: MAIL behind the last one that a connection may send"},
      {overloaded, of_connection, "reply overloaded: memory is spent for messages under way"},
      {storage_exhausted, of_storage,
       "reply storage_exhausted: the disk is full to its last reserve at the greeting"},
      {queue_write_failed, of_storage, "reply queue_write_failed: the message cannot be written"},
      {no_storage, of_storage, "reply no_storage: the disk is below its reserve at MAIL"},
      {no_storage_for_size, of_storage,
       "reply no_storage_for_size: more is declared than there is room for"},
      {loop_detected, of_storage, "reply loop_detected: too many hops"},
      {header_too_large, of_storage, "reply header_too_large: in memory and in a file"},
      {auth_unavailable, of_auth, "reply auth_unavailable: the backend is down"},
      {too_many_auth_failures, of_auth, "reply too_many_auth_failures: on one connection"},
      {password_transition_needed, of_auth,
       "reply password_transition_needed: the backend wants another password first"},
      {account_disabled, of_auth,
       "reply account_disabled: the right password of an account that is shut"},
      {mechanism_too_weak, of_auth,
       "reply mechanism_too_weak: PLAIN for an account that has a SCRAM record only"},
      {auth_failed, of_auth, "reply auth_failed: a wrong password is answered late"},
      {trust_required, of_auth, "reply trust_required: a token for another service"},
      {sender_not_allowed, of_auth,
       "reply sender_not_allowed: a login may only use its own addresses"},
      {tls_unavailable, of_tls,
       "reply tls_unavailable: no certificate is strong enough for the listener"},
      {priority_lowered, of_policy,
       "reply priority_lowered: a stranger's message is not more urgent than others"},
      {too_many_recipients, of_policy, "reply too_many_recipients: the transaction stays valid"},
      {rate_limited, of_policy, "reply rate_limited: messages of a client"},
      {policy_deferred, of_policy, "reply policy_deferred: a rule about the sender"},
      {policy_rejected, of_policy,
       "reply policy_rejected: a rule about the client with its own text"},
      {greylisted, of_policy, "reply greylisted: the first attempt of an unknown sender"},
      {relay_denied, of_policy, "reply relay_denied: a stranger's recipient"},
      {listed_by_dns, of_policy, "reply listed_by_dns: the client's address is in a block list"},
      {routed_address, of_policy, "reply routed_address: a route hidden in a stranger's recipient"},
      {sender_domain_unknown, of_dns, "reply sender_domain_unknown: DNS has no such name"},
      {sender_domain_unresolved, of_dns, "reply sender_domain_unresolved: DNS gives no answer"},
      {sender_null_mx, of_dns, "reply sender_null_mx: the sender could never be answered"},
      {recipient_domain_unknown, of_dns, "reply recipient_domain_unknown: DNS has no such name"},
      {recipient_domain_unresolved, of_dns,
       "reply recipient_domain_unresolved: DNS gives no answer"},
      {recipient_null_mx, of_dns, "reply recipient_null_mx: the domain accepts no mail"},
      {reverse_dns_failed, of_dns, "reply reverse_dns_failed: the client has no name"},
      {reverse_dns_deferred, of_dns,
       "reply reverse_dns_deferred: the client's name cannot be looked up for the moment"},
  });
}();

/// Rows for what is still to come: nothing in lib/ sends them. A row that is in neither table fails
/// the test, and so does one in both, or one that is sent.
inline constexpr auto replies_without_test = [] {
  using enum smtp::reply_id;
  return std::to_array<smtp::reply_id>({
      internal_error,
      configuration_error,
      transaction_error,
      lookup_failed,
      congested,
      priority_deferred,
      relay_deferred,
      parameter_unusable_now,
      initial_response_forbidden,
      encryption_needed,
      encryption_for_mechanism,
      mailbox_unknown,
      malformed_message,
      conversion_required,
      transaction_failed,
  });
}();

}  // namespace relais::testing
