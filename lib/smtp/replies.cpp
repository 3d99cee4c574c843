// The reply table, its check at compile time, and its way to the wire (RFC 5321 4.2, 4.5.3.1.5).
// The texts are for people who read a log or a bounce: plain words, no blame, no internals.
#include "smtp/replies.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace relais::smtp {

namespace {

using enum reply_id;

constexpr std::size_t reply_line_limit = 512;  // RFC 5321 4.5.3.1.5, with CRLF
constexpr std::size_t argument_limit = 512;    // octets of an argument that are shown
// EHLO's first line holds our name (255), fixed words, and the client's name as far as this.
constexpr std::size_t client_name_limit = 192;
constexpr std::string_view placeholder = "{}";
constexpr std::string_view crlf = "\r\n";

// clang-format off
constexpr std::array<reply_row, static_cast<std::size_t>(count_)> table{{
  {greeting, 220, "", "{} ESMTP relais", "a connection is welcome", "RFC 5321 4.3.1"},
  {bye, 221, "2.0.0", "{} closing connection", "QUIT", "RFC 5321 4.1.1.10"},
  {starttls_ready, 220, "2.0.0", "{} Ready to start TLS", "STARTTLS is accepted", "RFC 3207 4"},
  {authenticated, 235, "2.7.0", "Authentication successful", "AUTH succeeded", "RFC 4954 6"},
  {hello, 250, "", "{} greets {}", "HELO or EHLO", "RFC 5321 4.1.1.1"},
  {ok, 250, "2.0.0", "Ok", "NOOP, RSET", "RFC 5321 4.1.1.9"},
  {sender_ok, 250, "2.1.0", "Ok", "MAIL is accepted", "RFC 5321 4.1.1.2"},
  {recipient_ok, 250, "2.1.5", "Ok", "RCPT is accepted", "RFC 5321 4.1.1.3"},
  {queued, 250, "2.0.0", "Ok: queued as {}", "the message is durably ours", "RFC 5321 4.2.5"},
  {chunk_received, 250, "2.0.0", "{} octets received", "a BDAT chunk that is not the last", "RFC 3030 2"},
  {priority_lowered, 250, "2.3.6", "Ok, with priority {}", "MT-PRIORITY above what the client may ask for", "RFC 6710 4"},
  {auth_challenge, 334, "", "{}", "AUTH goes on; the text is base64", "RFC 4954 4"},
  {start_data, 354, "", "End data with <CR><LF>.<CR><LF>", "DATA is accepted", "RFC 5321 4.1.1.4"},
  {help, 214, "2.0.0", "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY STARTTLS AUTH", "HELP", "RFC 5321 4.1.1.8"},
  {cannot_verify, 252, "2.5.0", "Cannot verify the user, but will take mail and try to deliver it", "VRFY", "RFC 5321 3.5.3"},

  {draining, 421, "4.3.2", "{} Service is shutting down, try again later", "the daemon stops or is overloaded", "RFC 5321 3.8"},
  {too_many_connections, 421, "4.7.0", "{} Too many connections from your address, try again later", "a client holds too many connections or opens them too fast", "RFC 5321 4.2.2"},
  {idle_timeout, 421, "4.4.2", "{} Timeout, closing connection", "the client was silent or too slow", "RFC 5321 4.5.3.2.7"},
  {too_many_errors, 421, "4.7.0", "{} Too many errors, closing connection", "the session's budget of errors or of commands without mail is spent", "RFC 5321 4.2.2"},
  {too_many_messages, 421, "4.5.3", "{} Too many messages on this connection, open another", "the session's message limit is reached", "RFC 9422"},
  {internal_error, 421, "4.3.0", "{} Internal error, closing connection", "a fault of ours makes the session unusable", "RFC 5321 4.2.2"},
  {storage_exhausted, 421, "4.3.1", "{} Disk is full, try again later", "the disk is below its hard reserve", "RFC 3463 3.4"},
  {configuration_error, 421, "4.3.5", "{} Server is misconfigured, try again later", "the configuration cannot serve this connection", "RFC 3463 3.4"},
  {overloaded, 421, "4.3.2", "{} Too busy, try again later", "memory or descriptors are spent", "RFC 5321 4.2.2"},
  {too_many_auth_failures, 421, "4.7.0", "{} Too many failed logins, closing connection", "a client guesses passwords", "RFC 4954 9"},
  {password_transition_needed, 432, "4.7.12", "A password transition is needed", "the account has no secret that this mechanism can use yet", "RFC 4954 6"},

  {queue_write_failed, 451, "4.3.0", "Queue file could not be written, try again later", "a write or sync of the spool failed; nothing is queued", "RFC 5321 4.2.5"},
  {transaction_error, 451, "4.3.0", "Internal error, try this message again later", "a fault of ours that ends one transaction only", "RFC 5321 4.2.2"},
  {lookup_failed, 451, "4.4.3", "Lookup failed for the moment, try again later", "DNS or a table gave no answer", "RFC 3463 3.5"},
  {congested, 451, "4.4.5", "Too much mail is waiting, try again later", "the queue is above its high-water mark", "RFC 3463 3.5"},
  {no_storage, 452, "4.3.1", "Not enough storage, try again later", "the disk is below its reserve", "RFC 5321 4.2.2"},
  {no_storage_for_size, 452, "4.3.1", "Not enough storage for a message of that size, try again later", "the SIZE declared exceeds the free space", "RFC 1870 6.1"},
  {too_many_recipients, 452, "4.5.3", "Too many recipients, send the others in another transaction", "the transaction's recipient limit is reached; it stays valid", "RFC 5321 4.5.3.1.10"},
  {rate_limited, 450, "4.7.1", "Too much mail from you, try again later", "a client's message or recipient rate is exceeded", "RFC 3463 3.8"},
  {policy_deferred, 450, "4.7.1", "{}", "policy puts off; the argument says why", "RFC 3463 3.8"},
  {greylisted, 450, "4.7.1", "Greylisted, try again in {} seconds", "the first message of an unknown sender", "RFC 6647 2"},
  {sender_domain_unresolved, 450, "4.1.8", "<{}>: Domain of the sender could not be looked up", "DNS gave no answer about the sender domain", "RFC 3463 3.2"},
  {recipient_domain_unresolved, 450, "4.1.2", "<{}>: Domain of the recipient could not be looked up", "DNS gave no answer about the recipient domain", "RFC 3463 3.2"},
  {reverse_dns_deferred, 450, "4.7.25", "Your host name could not be looked up for the moment", "DNS gave no answer about the client", "RFC 7372 3.3"},
  {priority_deferred, 450, "4.7.15", "Priority is too low for now, try again later", "MT-PRIORITY below the current floor", "RFC 6710 4"},
  {relay_deferred, 454, "4.7.1", "<{}>: Relay access denied", "relaying is denied in soft mode", "RFC 3463 3.8"},
  {tls_unavailable, 454, "4.7.0", "TLS is not available for the moment", "STARTTLS without a usable certificate", "RFC 3207 4"},
  {auth_unavailable, 454, "4.7.0", "Authentication is not available for the moment", "the backend of AUTH does not answer", "RFC 4954 6"},
  {parameter_unusable_now, 455, "4.3.3", "Parameter cannot be honoured for the moment", "a lawful parameter that asks too much", "RFC 5321 4.1.1.11"},

  {unknown_command, 500, "5.5.2", "Command not recognized", "the first word is no command", "RFC 5321 4.2.4"},
  {invalid_octets, 500, "5.5.2", "Command holds octets that are not printable ASCII", "controls, NUL or 8-bit octets in a command", "RFC 5321 4.1.1"},
  {line_too_long, 500, "5.5.2", "Command line too long", "a command line exceeds the limit", "RFC 5321 4.5.3.1.4"},
  {auth_line_too_long, 500, "5.5.6", "Authentication exchange line is too long", "a response of AUTH exceeds the limit", "RFC 4954 4"},
  {syntax_argument, 501, "5.5.4", "Argument missing or malformed", "a command lacks what it needs", "RFC 5321 4.2.2"},
  {hello_needs_domain, 501, "5.5.4", "Say your host name", "HELO or EHLO without a name", "RFC 5321 4.1.1.1"},
  {no_argument_allowed, 501, "5.5.4", "No argument allowed", "DATA, RSET, QUIT or STARTTLS with an argument", "RFC 5321 4.1.1.4"},
  {sender_syntax, 501, "5.1.7", "Bad sender address syntax", "MAIL with something that is no path", "RFC 5321 4.1.2"},
  {recipient_syntax, 501, "5.1.3", "Bad recipient address syntax", "RCPT with something that is no path", "RFC 5321 4.1.2"},
  {bad_parameter_value, 501, "5.5.4", "Parameter repeated or malformed", "a parameter of MAIL or RCPT is wrong", "RFC 5321 4.1.1.11"},
  {base64_undecodable, 501, "5.5.2", "Response is no valid base64", "AUTH with something that cannot be decoded", "RFC 4954 4"},
  {auth_cancelled, 501, "5.7.0", "Authentication cancelled", "the client answered a challenge with *", "RFC 4954 4"},
  {initial_response_forbidden, 501, "5.7.0", "This mechanism takes no initial response", "AUTH with an initial response where the server speaks first", "RFC 4954 4"},
  {expn_disabled, 502, "5.5.1", "EXPN is disabled", "EXPN", "RFC 5321 7.3"},
  {not_implemented, 502, "5.5.1", "Command not implemented", "a command that is known and never served, or BDAT where it is not offered", "RFC 5321 4.2.4"},
  {starttls_not_offered, 502, "5.5.1", "STARTTLS is not offered", "STARTTLS where it was not announced", "RFC 5321 4.2.4"},
  {auth_not_offered, 502, "5.5.1", "AUTH is not offered", "AUTH where it was not announced", "RFC 5321 4.2.4"},
  {hello_first, 503, "5.5.1", "Send HELO or EHLO first", "mail commands before HELO or EHLO", "RFC 5321 4.1.4"},
  {nested_mail, 503, "5.5.1", "A transaction is open already", "MAIL inside a transaction", "RFC 5321 4.1.4"},
  {mail_first, 503, "5.5.1", "Send MAIL first", "RCPT, DATA or BDAT outside a transaction", "RFC 5321 4.1.4"},
  {rcpt_first, 503, "5.5.1", "Send RCPT first", "DATA or BDAT before any RCPT", "RFC 5321 4.1.1.4"},
  {sequence, 503, "5.5.1", "Bad sequence of commands", "anything but QUIT where only that is served; XCLIENT or XFORWARD after MAIL", "RFC 5321 3.1"},
  {auth_twice, 503, "5.5.1", "Already authenticated", "AUTH after AUTH succeeded", "RFC 4954 4"},
  {auth_in_transaction, 503, "5.5.1", "AUTH is not allowed inside a transaction", "AUTH after MAIL", "RFC 4954 4"},
  {tls_twice, 503, "5.5.1", "TLS is already active", "STARTTLS under TLS", "RFC 3207 4.2"},
  {starttls_in_transaction, 503, "5.5.1", "STARTTLS is not allowed inside a transaction", "STARTTLS after MAIL", "RFC 3207 4"},
  {chunking_in_progress, 503, "5.5.1", "BDAT is under way: send the last chunk or RSET", "MAIL, RCPT or DATA between chunks", "RFC 3030 2"},
  {chunking_failed, 503, "5.5.1", "The transaction has failed: send RSET", "mail commands behind a refused chunk, up to RSET or EHLO", "RFC 3030 2"},
  {binary_needs_chunking, 503, "5.5.1", "BODY=BINARYMIME needs BDAT", "DATA for a message declared as binary", "RFC 3030 3"},
  {mechanism_unknown, 504, "5.5.4", "Mechanism not supported", "AUTH with a mechanism that is not announced", "RFC 4954 4"},
  {argument_not_implemented, 504, "5.5.4", "Argument not implemented", "a command with an argument that is not served", "RFC 5321 4.2.2"},
  {foreign_protocol, 521, "5.5.1", "This is an SMTP server", "HTTP or TLS where SMTP is spoken", "RFC 7504 2"},
  {encryption_needed, 523, "5.7.10", "Encryption is needed, use STARTTLS", "the account or route demands TLS", "RFC 5248 2.4"},
  {account_disabled, 525, "5.7.13", "Account is disabled", "right credentials of an account that is shut", "RFC 5248 2.4"},
  {auth_required, 530, "5.7.0", "Authentication required", "MAIL without AUTH where it is demanded", "RFC 4954 6"},
  {tls_required, 530, "5.7.0", "Must issue a STARTTLS command first", "commands in clear where TLS is demanded", "RFC 3207 4"},
  {mechanism_too_weak, 534, "5.7.9", "Mechanism is too weak for this account", "AUTH by a mechanism that the account does not allow", "RFC 4954 6"},
  {auth_failed, 535, "5.7.8", "Authentication credentials invalid", "AUTH with wrong credentials", "RFC 4954 6"},
  {trust_required, 535, "5.7.14", "The token was issued for another service", "AUTH with a token of another audience", "RFC 5248 2.4"},
  {encryption_for_mechanism, 538, "5.7.11", "This mechanism needs encryption, use STARTTLS", "a clear-text mechanism without TLS", "RFC 4954 6"},
  {unknown_parameter, 555, "5.5.4", "Parameter not recognized", "MAIL or RCPT with an unknown parameter", "RFC 5321 4.1.1.11"},
  {parameter_not_offered, 555, "5.5.4", "Parameter of an extension that is not offered", "MAIL or RCPT with a parameter that was not announced", "RFC 5321 4.1.1.11"},
  {relay_denied, 550, "5.7.1", "<{}>: Relay access denied", "the client may not relay to this recipient", "RFC 3463 3.8"},
  {policy_rejected, 550, "5.7.1", "{}", "policy refuses; the argument says why", "RFC 3463 3.8"},
  {mailbox_unknown, 550, "5.1.1", "<{}>: No such user here", "a local recipient does not exist", "RFC 3463 3.2"},
  {sender_domain_unknown, 550, "5.1.8", "<{}>: Domain of the sender does not exist", "the sender domain has no records", "RFC 3463 3.2"},
  {recipient_domain_unknown, 550, "5.1.2", "<{}>: Domain of the recipient does not exist", "the recipient domain has no records", "RFC 3463 3.2"},
  {sender_null_mx, 550, "5.7.27", "<{}>: Domain of the sender accepts no mail", "the sender domain publishes a null MX", "RFC 7505 4.2"},
  {reverse_dns_failed, 550, "5.7.25", "Your address has no valid host name", "the client address has no confirmed name where one is demanded", "RFC 7372 3.3"},
  {listed_by_dns, 550, "5.7.1", "{}", "a DNS list names the client; the argument says which", "RFC 5782 2"},
  {insufficient_authorization, 550, "5.7.0", "Insufficient authorization", "XCLIENT, XFORWARD or a PROXY header from elsewhere", "RFC 5321 4.2.2"},
  {sender_not_allowed, 553, "5.7.1", "<{}>: Sender address not allowed for you", "the client may not use this sender", "RFC 6409 6.1"},
  {sender_name_not_allowed, 553, "5.1.7", "<{}>: Sender address needs a domain", "MAIL with a bare local-part", "RFC 5321 4.1.2"},
  {recipient_name_not_allowed, 553, "5.1.3", "<{}>: Recipient address needs a domain", "RCPT with a bare local-part", "RFC 5321 4.1.2"},
  {routed_address, 553, "5.1.3", "<{}>: Routing within an address is not allowed", "a stranger's RCPT with %, ! or a second @ in the local-part", "RFC 2505 2.1"},
  {bare_newline, 550, "5.5.2", "Lines must end in <CR><LF>", "a bare CR or LF where none is tolerated", "RFC 5321 2.3.8"},
  {message_too_big, 552, "5.3.4", "Message exceeds the size limit", "the content was longer than allowed", "RFC 1870 6.3"},
  {size_too_big, 552, "5.3.4", "Declared size exceeds the size limit", "MAIL with a SIZE above the limit", "RFC 1870 6.1"},
  {no_valid_recipients, 554, "5.5.1", "No valid recipients", "DATA or BDAT when every RCPT was refused", "RFC 2920 3.1"},
  {synchronization_error, 554, "5.5.0", "Protocol synchronization error", "octets before the greeting or behind STARTTLS, where a reply had to be awaited", "RFC 2920 3.1"},
  {loop_detected, 554, "5.4.6", "Mail loop: too many hops", "too many Received fields", "RFC 5321 6.3"},
  {nul_in_content, 554, "5.6.0", "Message holds a NUL octet", "the content is no text", "RFC 5321 2.3.8"},
  {text_line_too_long, 554, "5.6.0", "Message holds a line that is too long", "a content line exceeds the limit", "RFC 5321 4.5.3.1.6"},
  {header_too_large, 552, "5.3.4", "Message header is too large", "the header section exceeds the limit", "RFC 3463 3.4"},
  {malformed_message, 554, "5.6.0", "Message is malformed", "the content breaks rules that are enforced", "RFC 3463 3.7"},
  {conversion_required, 554, "5.6.3", "Message needs a conversion that is not possible", "content that the known next hop cannot take", "RFC 3463 3.7"},
  {transaction_failed, 554, "5.3.0", "Transaction failed", "a message is refused for any other reason", "RFC 5321 4.2.2"},
  {utf8_not_declared, 553, "5.6.7", "Address is not ASCII: SMTPUTF8 {}", "an internationalized address without SMTPUTF8", "RFC 6531 3.5"},
  {recipient_null_mx, 556, "5.1.10", "<{}>: Domain of the recipient accepts no mail", "the recipient domain publishes a null MX", "RFC 7505 4.1"},
  {no_service, 554, "", "No SMTP service here", "greeting: the connection is served QUIT only", "RFC 5321 3.1"},
  {never_accepts_mail, 521, "5.3.2", "This host accepts no mail", "greeting: the host or this client is never served", "RFC 7504"},
}};
// clang-format on

constexpr bool has_host_in_text(unsigned code) noexcept {
  return code == 220 || code == 221 || code == 421;
}

/// RFC 2034 4 and RFC 5321 4.2.3: none in the greeting, in the reply to HELO/EHLO, and on 3xx.
constexpr bool lacks_enhanced(const reply_row& reply) noexcept {
  return reply.code / 100 == 3 || reply.id == greeting || reply.id == hello ||
         reply.id == no_service;
}

consteval bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

consteval bool agrees(std::string_view enhanced, unsigned code) {
  return enhanced.size() >= 5 && enhanced[0] == static_cast<char>('0' + code / 100) &&
         enhanced[1] == '.' && enhanced.find('.', 2) != std::string_view::npos &&
         enhanced.find_first_not_of("0123456789.") == std::string_view::npos;
}

consteval bool consistent() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto& reply = table[i];
    if (static_cast<std::size_t>(reply.id) != i) return false;
    if (reply.code < 200 || reply.code > 599) return false;
    if (lacks_enhanced(reply) != reply.enhanced.empty()) return false;
    if (!reply.enhanced.empty() && !agrees(reply.enhanced, reply.code)) return false;
    if (reply.text.empty() || !is_printable_ascii(reply.text)) return false;
    if (reply.text.size() > 120) return false;  // room for an argument in one line
    if (has_host_in_text(reply.code) && !reply.text.starts_with("{} ")) return false;
    if (reply.situation.empty() || !reply.rfc.starts_with("RFC ")) return false;
  }
  return true;
}
static_assert(consistent());

void append_start(std::string& output, const reply_row& reply, bool with_enhanced, char separator) {
  const char code[] = {static_cast<char>('0' + reply.code / 100),
                       static_cast<char>('0' + reply.code / 10 % 10),
                       static_cast<char>('0' + reply.code % 10), separator};
  output.append(code, sizeof code);
  if (with_enhanced && !reply.enhanced.empty()) output.append(reply.enhanced).append(1, ' ');
}

/// Not base/text's printable(): that one keeps UTF-8, a reply is ASCII (RFC 5321 4.2, RFC
/// 6531 3.7.4).
void append_printable(std::string& output, std::string_view text, std::size_t limit) {
  static constexpr char hex[] = "0123456789abcdef";
  for (const char c : text.substr(0, limit)) {
    if (c >= ' ' && c <= '~') {
      output += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      const char escaped[] = {'\\', 'x', hex[octet >> 4], hex[octet & 15]};
      output.append(escaped, sizeof escaped);
    }
  }
  if (text.size() > limit) output += "...";
}

void append_text(std::string& output, std::string_view text, std::string_view argument) {
  const auto at = text.find(placeholder);
  output.append(text.substr(0, at));
  if (at == std::string_view::npos) return;
  append_printable(output, argument, argument_limit);
  output.append(text.substr(at + placeholder.size()));
}

/// Lines of at most 512 octets, broken at a blank where there is one in the second half of the
/// line.
void append_split(std::string& output, const reply_row& reply, bool with_enhanced,
                  std::string_view text) {
  const auto start = 4 + (with_enhanced && !reply.enhanced.empty() ? reply.enhanced.size() + 1 : 0);
  const auto room = reply_line_limit - crlf.size() - start;
  while (text.size() > room) {
    const auto blank = text.rfind(' ', room);
    const auto cut = blank != std::string_view::npos && blank > room / 2 ? blank : room;
    append_start(output, reply, with_enhanced, '-');
    output.append(text.substr(0, cut)).append(crlf);
    text.remove_prefix(cut);
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  append_start(output, reply, with_enhanced, ' ');
  output.append(text).append(crlf);
}

}  // namespace

std::span<const reply_row> reply_table() noexcept {
  return table;
}

const reply_row& row(reply_id id) noexcept {
  return table[static_cast<std::size_t>(id)];
}

bool is_positive(const reply_row& reply) noexcept {
  return reply.code / 100 == 2;
}
bool is_intermediate(const reply_row& reply) noexcept {
  return reply.code / 100 == 3;
}
bool is_refusal(const reply_row& reply) noexcept {
  return reply.code / 100 >= 4;
}
bool names_host(const reply_row& reply) noexcept {
  return has_host_in_text(reply.code);
}
bool closes_connection(const reply_row& reply) noexcept {
  return reply.code == 221 || reply.code == 421 || reply.code == 521 || reply.id == bare_newline ||
         reply.id == synchronization_error;
}

void append_reply(std::string& output, reply_id id, bool with_enhanced, std::string_view argument,
                  const reply_texts* texts) {
  const auto& reply = row(id);
  const auto line = output.size();
  append_start(output, reply, with_enhanced, ' ');
  const auto text = output.size();
  append_text(output, texts == nullptr ? reply.text : texts->text_of(id), argument);
  if (output.size() - line + crlf.size() <= reply_line_limit) {
    output += crlf;
    return;
  }
  const auto whole = output.substr(text);
  output.resize(line);
  append_split(output, reply, with_enhanced, whole);
}

void append_challenge(std::string& output, std::string_view octets) {
  append_start(output, row(auth_challenge), false, ' ');
  output.append(base64_encode(octets)).append(crlf);
}

void append_hello(std::string& output, std::string_view hostname, std::string_view client,
                  std::span<const std::string_view> keywords) {
  const auto& reply = row(hello);
  append_start(output, reply, false, keywords.empty() ? ' ' : '-');
  const auto second = reply.text.rfind(placeholder);
  append_text(output, reply.text.substr(0, second), hostname);
  // An escaped octet takes four: a name that is short enough in any case.
  const auto shown = output.size();
  append_printable(output, client, client_name_limit);
  if (output.size() - shown > client_name_limit) {
    output.resize(shown + client_name_limit);
    output += "...";
  }
  output += crlf;
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    append_start(output, reply, false, i + 1 == keywords.size() ? ' ' : '-');
    output.append(keywords[i]).append(crlf);
  }
}

}  // namespace relais::smtp
