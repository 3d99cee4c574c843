// What changes who the client is: STARTTLS (RFC 3207), AUTH (RFC 4954), XCLIENT and XFORWARD (as
// Postfix speaks them). Framing only: keys, secrets and trust are the driver's.
#include <algorithm>

#include "base/text.hpp"
#include "smtp/server_state.hpp"
#include "smtp/xtext.hpp"

namespace relais::smtp {

using kind = server_event_kind;

namespace {

constexpr std::string_view empty_response = "=";  // RFC 4954 4
constexpr std::string_view cancel_response = "*";

constexpr std::array<std::string_view, 8> xclient_names{"NAME", "ADDR",  "PORT",     "PROTO",
                                                        "HELO", "LOGIN", "DESTADDR", "DESTPORT"};
constexpr std::array<std::string_view, 7> xforward_names{"NAME", "ADDR",  "PORT",  "PROTO",
                                                         "HELO", "IDENT", "SOURCE"};

std::span<const std::string_view> names_of(verb what) noexcept {
  if (what == verb::xclient) return xclient_names;
  return xforward_names;
}

bool is_printable(std::string_view text) noexcept {
  return is_valid_utf8(text) && std::ranges::none_of(text, is_control);
}

/// "NAME=value NAME=value", each once at most. False: malformed.
bool parse_attributes(std::string_view text, std::span<const std::string_view> names,
                      std::vector<client_attribute>& into) {
  into.clear();
  while (!text.empty()) {
    const auto token = text.substr(0, text.find_first_of(" \t"));
    text = trimmed(text.substr(token.size()));
    const auto equals = token.find('=');
    if (equals == std::string_view::npos) return false;
    const auto keyword = token.substr(0, equals);
    const auto name =
        std::ranges::find_if(names, [&](auto known) { return iequals(known, keyword); });
    if (name == names.end()) return false;
    if (std::ranges::find(into, *name, &client_attribute::name) != into.end()) return false;
    auto value = xtext_decode(token.substr(equals + 1));
    if (!value || value->empty() || !is_printable(*value)) return false;
    into.push_back({*name, std::move(*value)});
  }
  return !into.empty();
}

}  // namespace

void server_protocol::state::begin_anew() noexcept {
  at = phase::connected;
  ehlo = authenticated = false;
  hello.clear();
  announced = {};
  parameters = {};
  choose_line_limit();
}

maybe_event server_protocol::state::start_tls(const command& given) {
  if (!given.argument.empty()) {
    refuse(given.what, reply_id::no_argument_allowed);
    return {};
  }
  // Whoever sends in clear what the server takes for encrypted is no client (threats: injection).
  if (!input.is_empty()) {
    answer(reply_id::synchronization_error);
    return {};
  }
  return await(verb::starttls, event_of(kind::starttls));
}

maybe_event server_protocol::state::begin_auth(std::string_view argument) {
  const auto name = argument.substr(0, argument.find_first_of(" \t"));
  const auto initial = trimmed(argument.substr(name.size()));
  const auto refused = [&](reply_id id) {
    refuse(verb::auth, id);
    return maybe_event();
  };
  if (name.empty() || initial.find_first_of(" \t") != std::string_view::npos)
    return refused(reply_id::syntax_argument);
  const auto mechanism =
      std::ranges::find_if(options.mechanisms, [&](auto known) { return iequals(known, name); });
  if (mechanism == options.mechanisms.end()) return refused(reply_id::mechanism_unknown);
  auto event = event_of(kind::auth, *mechanism);
  if (!initial.empty()) {
    auto decoded = initial == empty_response ? std::string() : base64_decode(initial);
    if (!decoded) return refused(reply_id::base64_undecodable);
    response = std::move(*decoded);
    event.response = response;
  }
  return await(verb::auth, event);
}

void server_protocol::state::challenge(std::string_view octets) {
  append_challenge(output, octets);
  at = *next_phase(phase::greeted, verb::auth);
  choose_line_limit();
}

maybe_event server_protocol::state::take_response(std::string_view line) {
  batch_ended = true;
  const auto text = trimmed(line);
  if (text == cancel_response) return cancel_auth(reply_id::auth_cancelled);
  auto decoded = base64_decode(text);
  if (!decoded) return cancel_auth(reply_id::base64_undecodable);
  response = std::move(*decoded);
  auto event = event_of(kind::auth_response);
  event.response = response;
  return await(verb::auth, event);
}

maybe_event server_protocol::state::cancel_auth(reply_id why) {
  end_auth();
  refuse(verb::auth, why);
  return event_of(kind::auth_cancelled);
}

/// The secret must not outlive its use.
void server_protocol::state::end_auth() noexcept {
  std::ranges::fill(response, '\0');
  std::string().swap(response);
  at = phase::greeted;
  choose_line_limit();
}

maybe_event server_protocol::state::read_attributes(const command& given) {
  if (!parse_attributes(given.argument, names_of(given.what), attributes)) {
    refuse(given.what, reply_id::syntax_argument);
    return {};
  }
  auto event = event_of(given.what == verb::xclient ? kind::xclient : kind::xforward);
  event.attributes = attributes;
  return await(given.what, event);
}

}  // namespace relais::smtp
