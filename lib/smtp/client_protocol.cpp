// The public face of the client. How replies are matched to commands is in client_matching.cpp,
// what they lead to in client_setup.cpp and client_transaction.cpp.
#include "smtp/client_protocol.hpp"

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

void client_protocol::send(transaction& t) {
  state_->send(t);
}
bool client_protocol::can_go_ahead() const noexcept {
  return state_->can_go_ahead();
}
void client_protocol::begin_ahead(transaction& t) {
  state_->begin_ahead(t);
}
transaction* client_protocol::current() const noexcept {
  return state_->current_.what;
}
void client_protocol::finished() {
  state_->finished();
}

local_fault client_protocol::fault_of(const envelope& message, std::size_t recipient,
                                      std::uint64_t size, body_type body, wall_time now) const {
  return state_->fault_of(message, recipient, size, body, now);
}

bool client_protocol::has_mail_left() const noexcept {
  return state_->has_mail_left();
}

transaction* client_protocol::content_of() const noexcept {
  return state_->content_run_ != nullptr ? state_->content_run_->what : nullptr;
}

content_form client_protocol::form() const noexcept {
  const auto* const r = state_->content_run_;
  return r != nullptr && r->is_chunk ? content_form::chunk : content_form::dot_stuffed;
}

void client_protocol::content_sent() {
  state_->content_sent();
}

void client_protocol::cut(error_code why) {
  state_->cut(why);
}

void client_protocol::quit() {
  auto& s = *state_;
  if (s.action_ != client_action::ready || s.surplus_) return;
  s.say(state::command::quit, {"QUIT"});
}

void client_protocol::abort(error_code why) {
  state_->abort(why);
}

std::string_view client_protocol::output() const noexcept {
  return std::string_view(state_->output_).substr(state_->written_);
}

void client_protocol::output_written(std::size_t octets) noexcept {
  state_->written(octets);
}

const server_features& client_protocol::features() const noexcept {
  return state_->features_;
}
bool client_protocol::is_tls() const noexcept {
  return state_->tls_;
}
client_step client_protocol::step() const noexcept {
  return state_->step();
}
std::uint64_t client_protocol::replies() const noexcept {
  return state_->replies_;
}
const client_failure& client_protocol::failure() const noexcept {
  return state_->failure_;
}

}  // namespace relais::smtp
