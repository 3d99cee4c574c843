// MAIL and RCPT: the path, what SMTPUTF8 allows in it, the parameters (RFC 5321 4.1.1.2, 4.1.1.3).
#include "smtp/server_state.hpp"

namespace relais::smtp {

namespace {
// Of utf8_not_declared: whether the client could have.
constexpr std::string_view not_offered_text = "is not offered";
constexpr std::string_view not_declared_text = "must be declared with MAIL";
}  // namespace

std::optional<reply_id> server_protocol::state::read_path(std::string_view argument, path_kind kind,
                                                          std::string_view& rest) {
  const auto names = options.bare_names_allowed ? bare_names::allowed : bare_names::refused;
  const auto parsed = parse_path_argument(argument, kind, names, address);
  rest = parsed.parameters;
  if (parsed.error) return parsed.error;
  if (address.address.needs_smtputf8() && !announced.has(extension::smtputf8))
    return reply_id::utf8_not_declared;
  return {};
}

void server_protocol::state::refuse_path(verb what, reply_id id) {
  if (id == reply_id::utf8_not_declared) {
    refuse(what, id, announced.has(extension::smtputf8) ? not_declared_text : not_offered_text);
  } else {
    refuse(what, id, address.address.text());
  }
}

maybe_event server_protocol::state::read_mail(std::string_view argument) {
  std::string_view rest;
  auto error = read_path(argument, path_kind::reverse, rest);
  if (!error) error = parse_mail_parameters(rest, announced, facts(), parameters);
  if (!error && address.address.needs_smtputf8() && !parameters.smtputf8)
    error = reply_id::utf8_not_declared;
  if (error) {
    refuse_path(verb::mail, *error);
    return {};
  }
  auto event = event_of(server_event_kind::mail);
  event.address = &address.address;
  event.mail = &parameters;
  return await(verb::mail, event);
}

maybe_event server_protocol::state::read_rcpt(std::string_view argument) {
  std::string_view rest;
  auto error = read_path(argument, path_kind::forward, rest);
  if (!error) error = parse_rcpt_parameters(rest, announced, parameters.smtputf8, recipient);
  if (!error && address.address.needs_smtputf8() && !parameters.smtputf8)
    error = reply_id::utf8_not_declared;
  if (error) {
    refuse_path(verb::rcpt, *error);
    return {};
  }
  auto event = event_of(server_event_kind::rcpt);
  event.address = &address.address;
  event.rcpt = &recipient;
  return await(verb::rcpt, event);
}

}  // namespace relais::smtp
