// The session from outside. What it reads is in server_reading.cpp.
#include "smtp/server_protocol.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

server_protocol::server_protocol(server_options options)
    : state_(std::make_unique<state>(std::move(options))) {}
server_protocol::~server_protocol() = default;

void server_protocol::greet(std::optional<reply_id> refusal) {
  auto& s = *state_;
  if (s.greeted_client) throw std::logic_error("smtp::server_protocol: greet() twice");
  if (s.over) return;  // by close_with()
  s.greeted_client = true;
  const auto& first = row(refusal.value_or(reply_id::greeting));
  append_reply(s.output, first.id, false, s.options.hostname, s.options.texts);
  if (!is_refusal(first)) return;
  if (closes_connection(first)) {
    s.end_session(kind::fatal);
  } else {
    s.at = phase::barred;
  }
}

void server_protocol::receive(std::string_view octets) {
  if (!state_->over) state_->input.append(octets);
}

server_event server_protocol::next() {
  return state_->next();
}

void server_protocol::reply(reply_id id, std::string_view argument) {
  if (!state_->pending) throw std::logic_error("smtp::server_protocol: reply() without a question");
  const auto what = *state_->pending;
  state_->pending.reset();
  state_->decide(what, id, argument);
}

void server_protocol::challenge(std::string_view octets) {
  if (state_->pending != verb::auth)
    throw std::logic_error("smtp::server_protocol: challenge() without AUTH");
  state_->pending.reset();
  state_->challenge(octets);
}

void server_protocol::tls_started() {
  auto& s = *state_;
  if (s.over) return;
  if (!std::exchange(s.handshake_due, false))
    throw std::logic_error("smtp::server_protocol: tls_started() without STARTTLS");
  s.options.tls = tls_state::active;
  s.begin_anew();
  // RFC 3207 4.2: what came in clear behind STARTTLS must not be run as if it had come under TLS.
  if (!s.input.is_empty()) s.answer(reply_id::synchronization_error);
}

void server_protocol::offer_mechanisms(std::vector<std::string_view> mechanisms) {
  state_->options.mechanisms = std::move(mechanisms);
}

void server_protocol::set_newlines(newline_mode mode) {
  if (in_content()) throw std::logic_error("smtp::server_protocol: set_newlines() within content");
  state_->options.newlines = mode;
  state_->input.set_newlines(mode);
}

bool server_protocol::has_unread_input() const noexcept {
  const auto& s = *state_;
  if (s.input.is_empty()) return false;
  return !s.greeted_client || (s.batch_ended && (s.pending || !s.unwritten().empty()));
}

void server_protocol::close_with(reply_id id) {
  auto& s = *state_;
  if (s.over) return;
  s.pending.reset();
  s.tell_hello = s.tell_reset = s.handshake_due = false;
  append_reply(s.output, id, s.with_enhanced(), s.options.hostname, s.options.texts);
  s.end_session(kind::fatal);
}

std::string_view server_protocol::output() const noexcept {
  return state_->unwritten();
}

void server_protocol::output_written(std::size_t octets) noexcept {
  state_->written = std::min(state_->written + octets, state_->output.size());
  if (state_->written < state_->output.size()) return;
  state_->output.clear();
  state_->written = 0;
}

bool server_protocol::at_command_boundary() const noexcept {
  const auto& s = *state_;
  return s.greeted_client && !s.over && !s.pending && !s.tell_hello && !s.tell_reset &&
         !s.handshake_due && s.input.is_empty() && !s.chunk.is_active &&
         s.at != phase::authenticating && !is_transaction_open(s.at);
}

bool server_protocol::in_content() const noexcept {
  return state_->at == phase::content || state_->chunk.is_active;
}
bool server_protocol::greeted_with_ehlo() const noexcept {
  return state_->ehlo;
}
std::string_view server_protocol::hello() const noexcept {
  return state_->hello;
}
std::string_view server_protocol::last_command() const noexcept {
  return state_->last_command;
}
std::uint64_t server_protocol::content_octets() const noexcept {
  return state_->content_octets;
}
void server_protocol::offer_extensions(extension_set extensions) {
  state_->options.extensions = extensions;
}
void server_protocol::adopt_login() {
  state_->authenticated = true;
}
bool server_protocol::is_authenticated() const noexcept {
  return state_->authenticated;
}
bool server_protocol::is_auth_under_way() const noexcept {
  return state_->at == phase::authenticating && !state_->pending;
}
const command_counts& server_protocol::counts() const noexcept {
  return state_->counts;
}
unsigned server_protocol::errors() const noexcept {
  return state_->errors;
}

}  // namespace relais::smtp
