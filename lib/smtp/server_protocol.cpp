// The session from outside, and what it reads: command lines or content, by phase. What becomes of
// a command is in server_commands.cpp.
#include "smtp/server_protocol.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

server_event server_protocol::state::next() {
  if (pending) throw std::logic_error("smtp::server_protocol: next() before reply()");
  for (;;) {
    if (std::exchange(tell_reset, false)) return event_of(kind::reset);
    if (std::exchange(tell_hello, false)) return event_of(kind::hello, hello);
    if (over) return event_of(*over);
    // Whoever talks before the greeting waits for it.
    if (!greeted_client || (input.is_empty() && !content_over)) return {};
    auto event = at == phase::content ? next_content() : next_command();
    if (event) return *event;
  }
}

/// None: something was answered or is to be told, look again.
maybe_event server_protocol::state::next_command() {
  std::string_view line;
  switch (input.next_line(line)) {
    case command_buffer::found::nothing: return server_event{};
    case command_buffer::found::line: return execute(line);
    case command_buffer::found::too_long:
      last_command = "UNKNOWN";
      ++counts.unknown.total;
      answer(reply_id::line_too_long);
      return {};
    case command_buffer::found::bare_newline:
      answer(reply_id::bare_newline);
      end_session(kind::fatal);
      return {};
    case command_buffer::found::tls_hello:
      answer(reply_id::unknown_command);
      end_session(kind::fatal);
      return {};
  }
  return {};
}

void server_protocol::state::begin_content() {
  decoder = content_decoder(text_line_limit());
  content_octets = 0;
  content_over = false;
}

std::optional<reply_id> server_protocol::state::content_fault() const noexcept {
  const bool bare = decoder.saw_bare_lf() || decoder.saw_bare_cr();
  if (bare && options.newlines == newline_mode::reject) return reply_id::bare_newline;
  const auto limit = options.limits.message_size;
  if (limit != 0 && content_octets > limit) return reply_id::message_too_big;
  if (decoder.saw_nul()) return reply_id::nul_in_content;
  if (decoder.saw_long_line()) return reply_id::text_line_too_long;
  return {};
}

maybe_event server_protocol::state::next_content() {
  if (!content_over) {
    content.clear();
    const auto progress = decoder.decode(input.rest(), content);
    input.consume(progress.consumed);
    content_octets += content.size();
    content_over = progress.ended;
    if (!content.empty() && !content_fault()) return event_of(kind::content, content);
    if (!content_over) return server_event{};
  }
  content_over = false;
  // Many idle sessions must not keep what their last content needed (assigning "" would).
  std::string().swap(content);
  input.shrink();
  last_command = "END-OF-MESSAGE";
  auto event = event_of(kind::end_of_data);
  event.content_fault = content_fault();
  return await(verb::end_of_data, event);
}

server_protocol::server_protocol(server_options options)
    : state_(std::make_unique<state>(std::move(options))) {}
server_protocol::~server_protocol() = default;

void server_protocol::greet(std::optional<reply_id> refusal) {
  if (state_->greeted_client) throw std::logic_error("smtp::server_protocol: greet() twice");
  state_->greeted_client = true;
  const auto& first = row(refusal.value_or(reply_id::greeting));
  append_reply(state_->output, first.id, false, state_->options.hostname);
  if (!is_refusal(first)) return;
  if (closes_connection(first)) {
    state_->end_session(kind::fatal);
  } else {
    state_->at = phase::barred;
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

void server_protocol::close_with(reply_id id) {
  if (state_->over) return;
  state_->pending.reset();
  state_->tell_hello = state_->tell_reset = false;
  append_reply(state_->output, id, state_->ehlo, state_->options.hostname);
  state_->end_session(kind::fatal);
}

std::string_view server_protocol::output() const noexcept {
  return std::string_view(state_->output).substr(state_->written);
}

void server_protocol::output_written(std::size_t octets) noexcept {
  state_->written = std::min(state_->written + octets, state_->output.size());
  if (state_->written < state_->output.size()) return;
  state_->output.clear();
  state_->written = 0;
}

bool server_protocol::at_command_boundary() const noexcept {
  return state_->greeted_client && !state_->over && !state_->pending && !state_->tell_hello &&
         !state_->tell_reset && state_->input.is_empty() && !is_transaction_open(state_->at);
}

bool server_protocol::in_content() const noexcept {
  return state_->at == phase::content;
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
const command_counts& server_protocol::counts() const noexcept {
  return state_->counts;
}

}  // namespace relais::smtp
