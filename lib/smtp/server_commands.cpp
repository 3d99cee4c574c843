// What a session does with a command that has been read: order, syntax, then either an answer or an
// event for the driver. The order is in server_transitions.hpp, the syntax in command_parser.hpp
// and extensions.hpp, the texts in replies.cpp.
#include <algorithm>

#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

maybe_event server_protocol::state::execute(std::string_view line) {
  const auto given = parse_command(line);
  last_command = given.name;
  ++count_of(given.what).total;
  if (is_http_request(line)) {
    answer(reply_id::unknown_command);
    end_session(kind::fatal);
    return {};
  }
  const bool carries_path = given.what == verb::mail || given.what == verb::rcpt;
  if (has_invalid_octets(line, carries_path)) {
    refuse(given.what, reply_id::invalid_octets);
    return {};
  }
  if (!next_phase(at, given.what)) {
    refuse(given.what, out_of_order(at, given.what));
    return {};
  }
  return serve(given);
}

maybe_event server_protocol::state::serve(const command& given) {
  const bool has_argument = !given.argument.empty();
  switch (given.what) {
    case verb::helo:
    case verb::ehlo: greet_client(given); break;
    case verb::mail: return read_mail(given.argument);
    case verb::rcpt: return read_rcpt(given.argument);
    case verb::data:
      if (!has_argument) return await(verb::data, event_of(kind::data));
      refuse(given.what, reply_id::no_argument_allowed);
      break;
    case verb::rset:
      if (has_argument) {
        refuse(given.what, reply_id::no_argument_allowed);
      } else {
        leave_transaction(*next_phase(at, verb::rset));
        accept(given.what, reply_id::ok);
      }
      break;
    case verb::quit:
      if (has_argument) {
        refuse(given.what, reply_id::no_argument_allowed);
      } else {
        accept(given.what, reply_id::bye);
        end_session(kind::quit);
      }
      break;
    case verb::noop: accept(given.what, reply_id::ok); break;
    case verb::help: accept(given.what, reply_id::help); break;
    case verb::vrfy:
      if (has_argument) {
        accept(given.what, reply_id::cannot_verify);
      } else {
        refuse(given.what, reply_id::syntax_argument);
      }
      break;
    case verb::expn: refuse(given.what, reply_id::expn_disabled); break;
    case verb::unimplemented: refuse(given.what, reply_id::not_implemented); break;
    case verb::unknown:
    case verb::end_of_data:
    case verb::count_: refuse(given.what, reply_id::unknown_command); break;
  }
  return {};
}

void server_protocol::state::greet_client(const command& given) {
  if (given.argument.empty()) return refuse(given.what, reply_id::hello_needs_domain);
  leave_transaction(*next_phase(at, given.what));
  ehlo = given.what == verb::ehlo;
  hello.assign(given.argument);
  // An EHLO client sends blanks as a tab at most by mistake; logs and trace fields are spared them.
  std::ranges::replace(hello, '\t', ' ');
  append_hello(output, options.hostname, hello,
               ehlo ? extensions.keywords() : std::span<const std::string_view>{});
  ++count_of(given.what).ok;
  tell_hello = true;
}

void server_protocol::state::leave_transaction(phase to) noexcept {
  tell_reset = is_transaction_open(at);
  at = to;
}

maybe_event server_protocol::state::read_mail(std::string_view argument) {
  const auto parsed = parse_path_argument(argument, path_kind::reverse, address);
  auto error = parsed.error;
  if (!error && address.address.needs_smtputf8()) error = reply_id::utf8_not_declared;
  if (!error && !ehlo && !parsed.parameters.empty()) error = reply_id::parameter_not_offered;
  if (!error) error = extensions.parse_mail(parsed.parameters, parameters);
  if (error) {
    refuse(verb::mail, *error);
    return {};
  }
  auto event = event_of(kind::mail);
  event.address = &address.address;
  event.declared_size = parameters.size;
  event.body = parameters.body;
  return await(verb::mail, event);
}

maybe_event server_protocol::state::read_rcpt(std::string_view argument) {
  const auto parsed = parse_path_argument(argument, path_kind::forward, address);
  auto error = parsed.error;
  if (!error && address.address.needs_smtputf8()) error = reply_id::utf8_not_declared;
  if (!error && !ehlo && !parsed.parameters.empty()) error = reply_id::parameter_not_offered;
  if (!error) error = extensions.parse_rcpt(parsed.parameters);
  if (error) {
    refuse(verb::rcpt, *error);
    return {};
  }
  auto event = event_of(kind::rcpt);
  event.address = &address.address;
  return await(verb::rcpt, event);
}

maybe_event server_protocol::state::await(verb what, server_event event) noexcept {
  pending = what;
  return event;
}

void server_protocol::state::answer(reply_id id, std::string_view argument) {
  if (is_refusal(row(id)) && id != reply_id::too_many_recipients &&
      ++errors > options.limits.errors && !closes_connection(row(id))) {
    id = reply_id::too_many_errors;
  }
  append_reply(output, id, ehlo, names_host(row(id)) ? options.hostname : argument);
  if (is_refusal(row(id)) && closes_connection(row(id))) end_session(kind::fatal);
}

void server_protocol::state::accept(verb what, reply_id id, std::string_view argument) {
  answer(id, argument);
  ++count_of(what).ok;
}

void server_protocol::state::refuse(verb what, reply_id id, std::string_view argument) {
  answer(id, argument);
  if (what == verb::rcpt && at == phase::mail) at = phase::all_refused;
}

void server_protocol::state::decide(verb what, reply_id id, std::string_view argument) {
  const auto& reply = row(id);
  if (what == verb::end_of_data) {
    at = *next_phase(at, what);
    if (is_positive(reply)) errors = 0;
  }
  if (is_refusal(reply)) {
    refuse(what, id, argument);
    if (id == reply_id::bare_newline) end_session(kind::fatal);
    return;
  }
  const bool content_wanted = what == verb::data && is_intermediate(reply);
  if (content_wanted) {
    answer(id, argument);  // counted as ok only when the message is
    begin_content();
  } else {
    accept(what, id, argument);
  }
  if (content_wanted || (is_positive(reply) && (what == verb::mail || what == verb::rcpt))) {
    at = *next_phase(at, what);
  }
}

command_counts::pair& server_protocol::state::count_of(verb what) noexcept {
  switch (what) {
    case verb::helo: return counts.helo;
    case verb::ehlo: return counts.ehlo;
    case verb::mail: return counts.mail;
    case verb::rcpt: return counts.rcpt;
    case verb::data:
    case verb::end_of_data: return counts.data;
    case verb::rset: return counts.rset;
    case verb::noop: return counts.noop;
    case verb::quit: return counts.quit;
    case verb::help: return counts.help;
    case verb::vrfy: return counts.vrfy;
    case verb::expn:
    case verb::unimplemented:
    case verb::unknown:
    case verb::count_: break;
  }
  return counts.unknown;
}

}  // namespace relais::smtp
