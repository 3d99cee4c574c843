// The content of a message: behind 354 up to CRLF.CRLF (RFC 5321 4.1.1.4), or in chunks of counted
// octets (RFC 3030). Whatever is wrong with it, it is read to its true end, so that no octet of it
// is ever taken for a command.
#include <utility>

#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

void server_protocol::state::begin_content(framing how) {
  decoder = content_decoder(text_line_limit(), how);
  content_octets = 0;
  content_over = chunk.is_too_big = false;
}

std::optional<reply_id> server_protocol::state::content_fault() const noexcept {
  const bool bare = decoder.saw_bare_lf() || decoder.saw_bare_cr();
  if (bare && options.newlines == newline_mode::reject) return reply_id::bare_newline;
  const auto limit = options.limits.message_size;
  if (chunk.is_too_big || (limit != 0 && content_octets > limit)) return reply_id::message_too_big;
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
  return end_content();
}

server_event server_protocol::state::end_content() {
  content_over = false;
  // Many idle sessions must not keep what their last content needed (assigning "" would).
  std::string().swap(content);
  input.shrink();
  last_command = "END-OF-MESSAGE";
  auto event = event_of(kind::end_of_data);
  event.content_fault = content_fault();
  return *await(verb::end_of_data, event);
}

/// BDAT in order. The first one asks the driver, as DATA does.
maybe_event server_protocol::state::start_chunk(std::string_view argument) {
  const auto given = parse_chunk_argument(argument);
  const bool is_first = at != phase::chunking;
  chunk = incoming_chunk{};
  chunk.size = chunk.left = given->size;
  chunk.is_last = given->is_last;
  if (is_first) return await(verb::bdat, event_of(kind::data));
  take_chunk();
  return {};
}

void server_protocol::state::take_chunk() {
  chunk.is_active = true;
  const auto limit = options.limits.message_size;
  chunk.is_too_big = limit != 0 && chunk.size > limit - std::min(limit, content_octets);
}

/// A refused BDAT: its octets are no commands (RFC 3030 2). Without a size nobody knows where they
/// end.
void server_protocol::state::drop_chunk(std::string_view argument, reply_id refusal) {
  const auto given = parse_chunk_argument(argument);
  if (!given) {
    refuse(verb::bdat, refusal);
    if (options.extensions.has(extension::chunking)) end_session(kind::fatal);
    return;
  }
  chunk = incoming_chunk{};
  chunk.is_active = true;
  chunk.size = chunk.left = given->size;
  chunk.refusal = refusal;
}

maybe_event server_protocol::state::next_chunk() {
  const auto octets = input.rest().substr(0, std::min<std::uint64_t>(chunk.left, SIZE_MAX));
  if (octets.empty() && chunk.left > 0) return server_event{};
  input.consume(octets.size());
  chunk.left -= octets.size();
  auto decoded = std::string_view();
  if (chunk.refusal) {
  } else if (is_binary()) {
    decoded = octets;
  } else if (!octets.empty()) {
    content.clear();
    decoder.decode(octets, content);
    decoded = content;
  }
  content_octets += decoded.size();
  if (!decoded.empty() && !content_fault()) return event_of(kind::content, decoded);
  if (chunk.left > 0) return server_event{};
  return end_chunk();
}

maybe_event server_protocol::state::end_chunk() {
  if (chunk.refusal) {
    chunk.is_active = false;
    if (std::exchange(chunk.fails_transaction, false)) leave_transaction(phase::chunk_failed);
    refuse(verb::bdat, *chunk.refusal, chunk.argument);
    return {};
  }
  if (chunk.is_last && !std::exchange(content_over, true) && !is_binary()) {
    content.clear();
    decoder.finish(content);
    content_octets += content.size();
    if (!content.empty() && !content_fault()) return event_of(kind::content, content);
  }
  chunk.is_active = false;
  if (chunk.is_last || content_fault()) return end_content();
  accept(verb::bdat, reply_id::chunk_received, std::to_string(chunk.size));
  return {};
}

}  // namespace relais::smtp
