// What a session does with a command that has been read: may it come now, then either an answer or
// an event for the driver; and how the driver's decision is answered. The order is in
// server_transitions.hpp, the syntax in command_parser.hpp and extensions.hpp, the texts in
// replies.cpp.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

maybe_event server_protocol::state::execute(std::string_view line) {
  const auto given = parse_command(line);
  last_command = given.name;
  batch_ended = given.what == verb::ehlo || given.what == verb::helo || given.what == verb::data ||
                given.what == verb::starttls || given.what == verb::auth ||
                given.what == verb::xclient;
  ++count_of(given.what).total;
  if (is_http_request(line)) {
    answer(reply_id::foreign_protocol);
    return {};
  }
  if (is_junk_budget_spent(given.what)) {
    answer(reply_id::too_many_errors);
    return {};
  }
  if (const auto error = objection(given, line)) {
    if (given.what == verb::bdat) {
      drop_chunk(given.argument, *error);
    } else {
      refuse(given.what, *error);
    }
    return {};
  }
  return serve(given);
}

/// Why a command cannot be served now, whatever its argument says.
std::optional<reply_id> server_protocol::state::objection(const command& given,
                                                          std::string_view line) const noexcept {
  const auto what = given.what;
  const bool utf8_known = announced.has(extension::smtputf8) && is_valid_utf8(line);
  const bool high_allowed =
      what == verb::mail || what == verb::rcpt || (what == verb::vrfy && utf8_known);
  if (has_invalid_octets(line, high_allowed)) return reply_id::invalid_octets;
  if (at == phase::barred && !next_phase(at, what)) return reply_id::sequence;
  constexpr std::array harmless{verb::noop,    verb::ehlo,     verb::helo,         verb::starttls,
                                verb::quit,    verb::help,     verb::rset,         verb::xclient,
                                verb::unknown, verb::xforward, verb::unimplemented};
  if (is_tls_demanded() && std::ranges::find(harmless, what) == harmless.end())
    return reply_id::tls_required;
  if (const auto missing = not_offered(what)) return missing;
  if (!next_phase(at, what)) return out_of_order(at, what);
  if (what == verb::mail && options.auth_required && !authenticated) return reply_id::auth_required;
  if (what == verb::data && is_binary()) return reply_id::binary_needs_chunking;
  return {};
}

std::optional<reply_id> server_protocol::state::not_offered(verb what) const noexcept {
  const auto& offered = options.extensions;
  switch (what) {
    case verb::bdat:
      if (!offered.has(extension::chunking)) return reply_id::not_implemented;
      break;
    case verb::starttls:
      if (options.tls == tls_state::active) return reply_id::tls_twice;
      if (options.tls == tls_state::unavailable || !offered.has(extension::starttls))
        return reply_id::starttls_not_offered;
      break;
    case verb::auth:
      if (authenticated) return reply_id::auth_twice;
      if (options.mechanisms.empty() || !offered.has(extension::auth))
        return reply_id::auth_not_offered;
      break;
    case verb::xclient:
      if (!offered.has(extension::xclient)) return reply_id::insufficient_authorization;
      break;
    case verb::xforward:
      if (!offered.has(extension::xforward)) return reply_id::insufficient_authorization;
      break;
    default: break;
  }
  return {};
}

bool server_protocol::state::is_junk_budget_spent(verb what) noexcept {
  constexpr std::array junk_verbs{verb::noop, verb::rset, verb::vrfy, verb::help,
                                  verb::expn, verb::helo, verb::ehlo};
  if (options.limits.junk_commands == 0) return false;
  if (std::ranges::find(junk_verbs, what) == junk_verbs.end()) return false;
  return ++junk > options.limits.junk_commands;
}

maybe_event server_protocol::state::serve(const command& given) {
  switch (given.what) {
    case verb::helo:
    case verb::ehlo: greet_client(given); break;
    case verb::mail: return read_mail(given.argument);
    case verb::rcpt: return read_rcpt(given.argument);
    case verb::data:
      if (given.argument.empty()) return await(verb::data, event_of(kind::data));
      refuse(given.what, reply_id::no_argument_allowed);
      break;
    case verb::bdat:
      if (parse_chunk_argument(given.argument)) return start_chunk(given.argument);
      drop_chunk(given.argument, reply_id::syntax_argument);
      break;
    case verb::starttls: return start_tls(given);
    case verb::auth: return begin_auth(given.argument);
    case verb::xclient:
    case verb::xforward: return read_attributes(given);
    case verb::rset: serve_rset(given); break;
    case verb::quit: serve_quit(given); break;
    case verb::noop: accept(given.what, reply_id::ok); break;
    case verb::help: serve_help(given); break;
    case verb::vrfy: serve_vrfy(given); break;
    case verb::expn: refuse(given.what, reply_id::expn_disabled); break;
    case verb::unimplemented: refuse(given.what, reply_id::not_implemented); break;
    case verb::unknown:
    case verb::end_of_data:
    case verb::end_of_auth:
    case verb::count_: refuse(given.what, reply_id::unknown_command); break;
  }
  return {};
}

void server_protocol::state::serve_rset(const command& given) {
  if (!given.argument.empty()) return refuse(given.what, reply_id::no_argument_allowed);
  leave_transaction(*next_phase(at, verb::rset));
  accept(given.what, reply_id::ok);
}

void server_protocol::state::serve_quit(const command& given) {
  if (!given.argument.empty()) return refuse(given.what, reply_id::no_argument_allowed);
  accept(given.what, reply_id::bye);
  end_session(kind::quit);
}

void server_protocol::state::serve_help(const command& given) {
  if (given.argument.empty() || is_command_word(given.argument))
    return accept(given.what, reply_id::help);
  refuse(given.what, reply_id::argument_not_implemented);
}

void server_protocol::state::serve_vrfy(const command& given) {
  if (given.argument.empty()) return refuse(given.what, reply_id::syntax_argument);
  // RFC 6531 3.7.4.2: the keyword SMTPUTF8 behind the string.
  const auto last = given.argument.substr(given.argument.find_last_of(" \t") + 1);
  const bool is_high = has_invalid_octets(given.argument, false);
  if (is_high && !iequals(last, keyword_of(extension::smtputf8)))
    return refuse(given.what, reply_id::utf8_not_declared, "must be declared");
  accept(given.what, reply_id::cannot_verify);
}

void server_protocol::state::greet_client(const command& given) {
  if (given.argument.empty()) return refuse(given.what, reply_id::hello_needs_domain);
  leave_transaction(*next_phase(at, given.what));
  ehlo = given.what == verb::ehlo;
  hello.assign(given.argument);
  // An EHLO client sends blanks as a tab at most by mistake; logs and trace fields are spared them.
  std::ranges::replace(hello, '\t', ' ');
  announced = ehlo ? usable_extensions(options.extensions, facts()) : extension_set{};
  choose_line_limit();
  append_announcement();
  ++count_of(given.what).ok;
  tell_hello = true;
}

void server_protocol::state::append_announcement() {
  std::string lines;
  append_keywords(lines, announced, facts());
  std::array<std::string_view, static_cast<std::size_t>(extension::count_) + 1> keywords;
  std::size_t count = 0;
  for (std::string_view rest = lines; !rest.empty(); ++count) {
    keywords[count] = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(keywords[count].size() + 1);
  }
  append_hello(output, options.hostname, hello, {keywords.data(), count});
}

session_facts server_protocol::state::facts() const noexcept {
  session_facts f;
  f.message_size = options.limits.message_size;
  f.recipients = options.limits.recipients;
  f.messages = options.limits.messages;
  f.hold_seconds = options.limits.hold_seconds;
  f.hold_until = options.limits.hold_until;
  f.tls_offered = options.tls == tls_state::offered || options.tls == tls_state::required;
  f.tls_active = options.tls == tls_state::active;
  f.tls_required = is_tls_demanded();
  f.mechanisms = options.mechanisms;
  f.legacy_auth_line = options.legacy_auth_line;
  return f;
}

void server_protocol::state::leave_transaction(phase to) noexcept {
  tell_reset = is_transaction_open(at);
  at = to;
  parameters = {};
}

maybe_event server_protocol::state::await(verb what, server_event event) noexcept {
  pending = what;
  return event;
}

}  // namespace relais::smtp
