// From the greeting to a session that can carry mail: EHLO with its fallback or LHLO, STARTTLS by
// level, AUTH (RFC 5321 3.1-3.2, RFC 2033 4.1, RFC 3207, RFC 4954). No secret goes out without TLS,
// and no level is lowered.
#include "base/text.hpp"
#include "smtp/client_state.hpp"

namespace relais::smtp {

void client_protocol::state::take_greeting(const reply& r) {
  if (r.code() == 220) return say_hello();
  if (r.is_transient() || r.is_permanent()) return fail(client_step::greeting, r);
  fail_out_of_place(client_step::greeting);
}

void client_protocol::state::say_hello() {
  say(command::ehlo, {options_.is_lmtp ? "LHLO " : "EHLO ", options_.hostname});
}

void client_protocol::state::take_hello(const reply& r, bool extended) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::hello);
  if (r.is_positive()) {
    features_ = extended ? parse_features(r) : server_features{};
    return go_on_in_this_channel();
  }
  // Without EHLO there is neither STARTTLS nor AUTH: only for those who need none (RFC 5321 3.2).
  const bool needs_ehlo =
      options_.is_lmtp || options_.login || (!tls_ && options_.tls >= tls_level::encrypt);
  if (!extended || !r.is_permanent() || needs_ehlo) return fail(client_step::hello, r);
  say(command::helo, {"HELO ", options_.hostname});
}

/// The hello is over: raise the channel to its level, then log in, then be ready.
void client_protocol::state::go_on_in_this_channel() {
  const bool may_start = !tls_ && !tls_refused_ && options_.tls != tls_level::none;
  if (may_start && features_.starttls) return say(command::starttls, {"STARTTLS"});
  if (!tls_ && options_.tls >= tls_level::encrypt) {
    return fail(client_step::starttls, errc::tls_failed, "STARTTLS is not offered");
  }
  if (options_.login) return begin_auth();
  action_ = client_action::ready;
}

void client_protocol::state::take_starttls(const reply& r) {
  if (r.code() == 220) {
    action_ = client_action::start_tls;
    return;
  }
  if (!r.is_transient() && !r.is_permanent()) return fail_out_of_place(client_step::starttls);
  if (options_.tls >= tls_level::encrypt || r.code() == 421) return fail(client_step::starttls, r);
  tls_refused_ = true;
  go_on_in_this_channel();
}

void client_protocol::state::begin_auth() {
  if (!tls_) return fail(client_step::auth, errc::tls_failed, "a login needs TLS");
  if (features_.auth_login && !features_.auth_plain) {
    return say(command::auth_login, {"AUTH LOGIN"});
  }
  if (!features_.auth_plain) {
    return fail(client_step::auth, errc::protocol_error, "neither AUTH PLAIN nor LOGIN is offered");
  }
  // RFC 4616: authorisation identity (empty), user name, password.
  std::string message;
  message.reserve(options_.login->username.size() + options_.login->password.size() + 2);
  message += '\0';
  message += options_.login->username;
  message += '\0';
  message += options_.login->password;
  say_secret(command::auth_plain, "AUTH PLAIN ", message);
}

void client_protocol::state::say_secret(command what, std::string_view verb, std::string& secret) {
  auto encoded = base64_encode(secret);
  wipe(secret);
  output_.reserve(output_.size() + verb.size() + encoded.size() + 2);
  secret_in_output_ = true;
  say(what, {verb, encoded});
  wipe(encoded);
}

void client_protocol::state::take_auth(command what, const reply& r) {
  if (r.is_transient() || r.is_permanent()) return fail(client_step::auth, r);
  const bool asks = what == command::auth_login || what == command::auth_username;
  if (asks && r.code() == 334) {
    // The prompts are not read: every server asks for the name first, in whatever words.
    const bool name = what == command::auth_login;
    auto answer = name ? options_.login->username : options_.login->password;
    return say_secret(name ? command::auth_username : command::auth_password, "", answer);
  }
  if (asks || r.code() != 235) return fail_out_of_place(client_step::auth);
  wipe(options_.login->password);
  logged_in_ = true;
  action_ = client_action::ready;
}

}  // namespace relais::smtp
