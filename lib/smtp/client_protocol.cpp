// The public face of the client, and the matching of replies to commands: first in, first out, one
// reply per command (RFC 5321 4.2, RFC 2920 3.1). What a reply leads to is decided in
// client_setup.cpp and client_transaction.cpp.
#include "smtp/client_protocol.hpp"

#include <algorithm>
#include <utility>

#include "smtp/client_state.hpp"

namespace relais::smtp {

std::string_view to_text(client_step step) noexcept {
  switch (step) {
    case client_step::connect: return "connect";
    case client_step::greeting: return "initial server greeting";
    case client_step::hello: return "EHLO";
    case client_step::starttls: return "STARTTLS";
    case client_step::auth: return "AUTH";
    case client_step::mail: return "MAIL FROM";
    case client_step::rcpt: return "RCPT TO";
    case client_step::data: return "DATA";
    case client_step::content: return "end of DATA";
    case client_step::quit: return "QUIT";
  }
  return "";
}

void wipe(std::string& secret) noexcept {
  volatile char* octet = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) octet[i] = '\0';
  secret.clear();
}

client_protocol::client_protocol(client_options options)
    : state_(std::make_unique<state>(std::move(options))) {}
client_protocol::~client_protocol() = default;

void client_protocol::receive(std::string_view octets) {
  auto& s = *state_;
  if (octets.empty() || s.is_over()) return;
  s.surplus_ |= !s.is_listening();
  s.parser_.receive(octets);
}

client_action client_protocol::next() {
  state_->pump();
  return state_->action_;
}

void client_protocol::tls_started() {
  auto& s = *state_;
  if (s.action_ != client_action::start_tls || s.surplus_) return;
  s.tls_ = true;
  // What was said in clear may be an attacker's (RFC 3207 4.2).
  s.features_ = {};
  s.say_hello();
}

void client_protocol::tls_failed(error_code why) {
  if (!state_->is_over()) state_->fail(client_step::starttls, why);
}

void client_protocol::send(const envelope& message, const std::vector<std::size_t>& recipients,
                           std::uint64_t size, wall_time now) {
  state_->begin(message, recipients, size, now);
}

local_fault client_protocol::fault_of(const envelope& message, std::size_t recipient,
                                      std::uint64_t size, wall_time now) const {
  return state_->fault_of(message, recipient, size, now);
}

bool client_protocol::is_chunk() const noexcept {
  return state_->action_ == client_action::want_content && state_->is_chunk();
}

void client_protocol::content_sent() {
  auto& s = *state_;
  if (s.action_ != client_action::want_content || s.surplus_) return;
  s.action_ = client_action::need_input;
  s.await(state::command::content);
}

void client_protocol::quit() {
  auto& s = *state_;
  if (s.action_ != client_action::ready || s.surplus_) return;
  s.say(state::command::quit, {"QUIT"});
}

void client_protocol::abort(error_code why) {
  if (!state_->is_over()) state_->fail(step(), why);
}

std::string_view client_protocol::output() const noexcept {
  return std::string_view(state_->output_).substr(state_->written_);
}

void client_protocol::output_written(std::size_t octets) noexcept {
  auto& s = *state_;
  s.written_ = std::min(s.written_ + octets, s.output_.size());
  if (s.written_ == s.output_.size()) s.wipe_output();
}

const server_features& client_protocol::features() const noexcept {
  return state_->features_;
}
bool client_protocol::is_tls() const noexcept {
  return state_->tls_;
}
std::uint64_t client_protocol::replies() const noexcept {
  return state_->replies_;
}

const client_failure& client_protocol::failure() const noexcept {
  return state_->failure_;
}
const std::vector<recipient_reply>& client_protocol::results() const noexcept {
  return state_->results_;
}

client_step client_protocol::step() const noexcept {
  const auto& s = *state_;
  if (s.action_ == client_action::failed) return s.failure_.step;
  if (s.action_ == client_action::want_content) return client_step::content;
  if (s.awaited_from_ < s.awaited_.size()) return state::step_of(s.awaited_[s.awaited_from_].what);
  return s.step_;
}

client_protocol::state::~state() {
  wipe_output();
  if (options_.login) wipe(options_.login->password);
}

client_step client_protocol::state::step_of(command what) noexcept {
  switch (what) {
    case command::greeting: return client_step::greeting;
    case command::ehlo:
    case command::helo: return client_step::hello;
    case command::starttls: return client_step::starttls;
    case command::auth_plain:
    case command::auth_login:
    case command::auth_username:
    case command::auth_password: return client_step::auth;
    case command::reset:
    case command::mail: return client_step::mail;
    case command::rcpt: return client_step::rcpt;
    case command::data: return client_step::data;
    case command::content:
    case command::empty_content: return client_step::content;
    case command::quit: return client_step::quit;
  }
  return client_step::connect;
}

void client_protocol::state::say(command what, std::initializer_list<std::string_view> pieces,
                                 std::size_t position) {
  for (const auto piece : pieces) output_ += piece;
  output_ += "\r\n";
  await(what, position);
  action_ = client_action::need_input;
}

void client_protocol::state::pump() {
  while (!is_over()) {
    const bool is_surplus = surplus_ || (!is_listening() && parser_.is_inside_reply());
    if (!is_surplus && !is_listening()) return;
    const auto received = parser_.next();
    const auto here =
        awaited_from_ < awaited_.size() ? step_of(awaited_[awaited_from_].what) : step_;
    if (is_surplus) {
      // A server that leaves says so at any time (RFC 5321 3.8): worth telling, never an answer.
      if (received && *received && (*received)->code() == 421) return fail(here, **received);
      return fail(here, errc::protocol_error, "octets came while no reply was awaited");
    }
    if (!received) return fail(here, received.error(), "a line that is no reply");
    if (!*received) return;
    take(**received);
  }
}

void client_protocol::state::take(const reply& r) {
  ++replies_;
  const auto [what, position] = awaited_[awaited_from_++];
  if (awaited_from_ == awaited_.size()) {
    awaited_.clear();
    awaited_from_ = 0;
  }
  step_ = step_of(what);
  const auto step = step_;
  switch (what) {
    case command::greeting: take_greeting(r); break;
    case command::ehlo: take_hello(r, true); break;
    case command::helo: take_hello(r, false); break;
    case command::starttls: take_starttls(r); break;
    case command::auth_plain:
    case command::auth_login:
    case command::auth_username:
    case command::auth_password: take_auth(what, r); break;
    case command::reset: take_reset(r); break;
    case command::mail: take_mail(r); break;
    case command::rcpt: take_rcpt(r, position); break;
    case command::data: take_data(r); break;
    case command::content: take_content(r, false); break;
    case command::empty_content: take_content(r, true); break;
    case command::quit: action_ = client_action::closed; return;
  }
  if (action_ == client_action::failed) return;
  // The command has its answer, nothing else will get one (RFC 5321 4.2.1).
  if (r.code() == 421) return fail(step, r);
  if (in_transaction_ && is_running()) go_on_with_transaction();
}

void client_protocol::state::fail(client_failure why) {
  if (in_transaction_) leave_unanswered(why.step);
  in_transaction_ = false;
  failure_ = std::move(why);
  action_ = client_action::failed;
  awaited_.clear();
  awaited_from_ = 0;
  parser_.clear();
  wipe_output();
}

void client_protocol::state::fail(client_step step, error_code error, std::string_view note) {
  fail(client_failure{step, error, {}, note});
}

void client_protocol::state::fail(client_step step, const reply& r) {
  fail(client_failure{step, {}, r, {}});
}

void client_protocol::state::fail_out_of_place(client_step step) {
  fail(step, errc::protocol_error, "a reply that the command cannot have");
}

void client_protocol::state::wipe_output() noexcept {
  if (secret_in_output_) wipe(output_);
  secret_in_output_ = false;
  output_.clear();
  written_ = 0;
}

}  // namespace relais::smtp
