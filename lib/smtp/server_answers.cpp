// How a session answers: the reply in its output, the counts and budgets, and what the driver's
// decision makes of the order of the session.
#include "smtp/server_state.hpp"

namespace relais::smtp {

using kind = server_event_kind;

void server_protocol::state::answer(reply_id id, std::string_view argument) {
  if (is_refusal(row(id)) && id != reply_id::too_many_recipients &&
      ++errors > options.limits.errors && !closes_connection(row(id))) {
    id = reply_id::too_many_errors;
  }
  append_reply(output, id, with_enhanced(), names_host(row(id)) ? options.hostname : argument,
               options.texts);
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
  if (what == verb::end_of_data) return decide_end_of_data(id, argument);
  if (what == verb::data || what == verb::bdat) return decide_data(what, id, argument);
  if (what == verb::auth) end_auth();
  if (!is_positive(row(id))) return refuse(what, id, argument);
  accept(what, id, argument);
  switch (what) {
    case verb::mail:
    case verb::rcpt: at = *next_phase(at, what); break;
    case verb::starttls: handshake_due = true; break;
    case verb::auth: authenticated = true; break;
    case verb::xclient: begin_anew(); break;
    default: break;
  }
}

void server_protocol::state::decide_data(verb what, reply_id id, std::string_view argument) {
  const auto& reply = row(id);
  if (is_intermediate(reply)) {
    begin_content(what == verb::bdat ? framing::counted : framing::dots);
    at = *next_phase(at, what);
    if (what == verb::bdat) return take_chunk();
    return answer(id, argument);  // counted as ok only when the message is
  }
  if (what == verb::data || closes_connection(reply)) return refuse(what, id, argument);
  chunk.is_active = chunk.fails_transaction = true;
  chunk.refusal = id;
  chunk.argument = argument;
}

void server_protocol::state::decide_end_of_data(reply_id id, std::string_view argument) {
  const bool chunks_may_come = at == phase::chunking && !chunk.is_last;
  const auto what = at == phase::chunking ? verb::bdat : verb::data;
  at = chunks_may_come ? phase::chunk_failed : *next_phase(at, verb::end_of_data);
  parameters = {};
  if (!is_positive(row(id))) return refuse(what, id, argument);
  errors = junk = 0;
  accept(what, id, argument);
}

command_counts::pair& server_protocol::state::count_of(verb what) noexcept {
  switch (what) {
    case verb::helo: return counts.helo;
    case verb::ehlo: return counts.ehlo;
    case verb::starttls: return counts.starttls;
    case verb::auth: return counts.auth;
    case verb::mail: return counts.mail;
    case verb::rcpt: return counts.rcpt;
    case verb::data: return counts.data;
    case verb::bdat: return counts.bdat;
    case verb::rset: return counts.rset;
    case verb::noop: return counts.noop;
    case verb::quit: return counts.quit;
    case verb::help: return counts.help;
    case verb::vrfy: return counts.vrfy;
    case verb::xclient: return counts.xclient;
    case verb::xforward: return counts.xforward;
    case verb::expn:
    case verb::unimplemented:
    case verb::unknown:
    case verb::end_of_data:
    case verb::end_of_auth:
    case verb::count_: break;
  }
  return counts.unknown;
}

}  // namespace relais::smtp
