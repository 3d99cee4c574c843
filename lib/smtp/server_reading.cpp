// What a session reads, by phase: command lines, responses of AUTH, content. What becomes of a
// command is in server_commands.cpp.
#include <stdexcept>
#include <utility>

#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

server_event server_protocol::state::next() {
  if (pending) throw std::logic_error("smtp::server_protocol: next() before reply()");
  if (handshake_due) throw std::logic_error("smtp::server_protocol: next() before tls_started()");
  for (;;) {
    if (std::exchange(tell_reset, false)) return event_of(kind::reset);
    if (std::exchange(tell_hello, false)) return event_of(kind::hello, hello);
    if (over) return event_of(*over);
    // Whoever talks before the greeting waits for it.
    if (!greeted_client) return {};
    maybe_event event;
    if (chunk.is_active) {
      event = next_chunk();
    } else if (input.is_empty() && !content_over) {
      return {};
    } else {
      event = at == phase::content ? next_content() : next_command();
    }
    if (event) return *event;
  }
}

/// None: something was answered or is to be told, look again.
maybe_event server_protocol::state::next_command() {
  std::string_view line;
  switch (input.next_line(line)) {
    case command_buffer::found::nothing: return server_event{};
    case command_buffer::found::line:
      return at == phase::authenticating ? take_response(line) : execute(line);
    case command_buffer::found::too_long: return line_too_long();
    case command_buffer::found::bare_newline: answer(reply_id::bare_newline); return {};
    case command_buffer::found::tls_hello: answer(reply_id::foreign_protocol); return {};
  }
  return {};
}

maybe_event server_protocol::state::line_too_long() {
  if (at == phase::authenticating) return cancel_auth(reply_id::auth_line_too_long);
  last_command = "UNKNOWN";
  ++counts.unknown.total;
  answer(reply_id::line_too_long);
  return {};
}

void server_protocol::state::choose_line_limit() noexcept {
  const auto usual =
      std::max(options.limits.command_line, least_command_line + command_line_allowance(announced));
  const auto long_line = std::max(usual, auth_line);
  input.set_line_limits(at == phase::authenticating ? long_line : usual,
                        announced.has(extension::auth) ? long_line : usual);
}

}  // namespace relais::smtp
