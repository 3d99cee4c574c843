// Mail transactions: RSET if needed, MAIL, RCPT, DATA or BDAT, the end of the content (RFC 5321
// 3.3, RFC 2920 3.1, RFC 3030 2, RFC 2033 4.2), and the one that follows in the same flight. Each
// recipient is credited with the reply that decided its fate, and nothing but a reply to the
// content can make it delivered.
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "smtp/client_state.hpp"

namespace relais::smtp {
namespace {

// So many commands may be unanswered, so that their replies fit into the buffers of the network
// while we only write (RFC 2920 3.1). Larger envelopes go in several flights.
constexpr std::size_t flight_limit = 500;

constexpr unsigned bad_sequence = 503;
constexpr std::string_view lost_commands = "\"bad sequence\" to a command that was in sequence";

}  // namespace

void client_protocol::state::run::begin(transaction& t) {
  what = &t;
  t.results.assign(t.recipients.size(), recipient_reply{client_step::mail, {}, local_fault::none});
  t.was_begun = false;
  to_send.clear();
  accepted.clear();
  next = answered = 0;
  was_ahead = is_chunk = mail_accepted = mail_refused = data_refused = false;
  content_sent = is_ended = is_cut = out_of_step = false;
  is_dirty = true;
}

void client_protocol::state::send(transaction& t) {
  if (current_.what != nullptr && !is_over()) return;
  // What came since the last reply cannot answer what is said now.
  pump();
  run unsent;
  auto& r = action_ == client_action::ready ? current_ : unsent;
  r.begin(t);
  if (&r == &unsent) return;
  if (find_local_faults(r)) return begin(r, is_dirty_);
  r.is_dirty = is_dirty_;
  action_ = client_action::over;
}

bool client_protocol::state::can_go_ahead() const noexcept {
  const bool is_behind = current_.what != nullptr && current_.content_sent && !current_.is_ended &&
                         ahead_.what == nullptr;
  return is_behind && is_running() && !broken_ && !surplus_ && pipelines() && has_mail_left();
}

void client_protocol::state::begin_ahead(transaction& t) {
  if (!can_go_ahead()) return;
  ahead_.begin(t);
  if (!find_local_faults(ahead_)) {
    t.results.clear();
    ahead_.what = nullptr;
    return;
  }
  ahead_.was_ahead = true;
  // The final dot ends a transaction whatever comes of it. Behind a chunk that nobody was accepted
  // for the state is indeterminate (RFC 3030 2).
  begin(ahead_, current_.is_chunk);
}

void client_protocol::state::begin(run& r, bool with_reset) {
  r.what->was_begun = true;
  r.is_chunk = chunks(r.what->body);
  ++mails_;
  if (with_reset) {
    say(command::reset, {"RSET"});
    if (!pipelines()) return;
  }
  say_mail(r);
  if (pipelines()) say_more(r);
}

/// The rest of the envelope, and what asks for the content, as far as one flight goes.
void client_protocol::state::say_more(run& r) {
  while (r.next < r.to_send.size() && outstanding() < flight_limit) say_rcpt(r);
  if (r.next < r.to_send.size()) return;
  if (!r.is_chunk) return say(command::data, {"DATA"});
  // RFC 3030 2: pipelined chunks are read to their end, whoever was refused.
  if (r.what->size <= options_.chunk_ahead) want_chunk(r);
}

/// One chunk is enough, as its size is known. Its reply is that to the content.
void client_protocol::state::want_chunk(run& r) {
  fmt::format_to(std::back_inserter(output_), "BDAT {} LAST\r\n", r.what->size);
  want_content(r);
}

void client_protocol::state::want_content(run& r) {
  content_run_ = &r;
  action_ = client_action::want_content;
}

void client_protocol::state::content_sent() {
  if (action_ != client_action::want_content || surplus_) return;
  std::exchange(content_run_, nullptr)->content_sent = true;
  action_ = client_action::need_input;
  await(command::content);
}

/// After each reply: where nothing more is under way, the next command or the end.
void client_protocol::state::go_on() {
  auto& r = current_;
  if (outstanding() > 0) return;
  if (r.mail_refused || r.data_refused) return end_transaction();
  if (r.next < r.to_send.size()) return pipelines() ? say_more(r) : say_rcpt(r);
  if (r.accepted.empty()) return end_transaction();
  if (r.is_chunk) return want_chunk(r);
  say(command::data, {"DATA"});
}

void client_protocol::state::take_reset(const reply& r) {
  // A server that cannot forget the last transaction must not get the next one.
  if (r.is_intermediate()) return fail_out_of_place(client_step::mail);
  if (!r.is_positive()) return fail(client_step::mail, r);
  if (!pipelines()) say_mail(current_);
}

void client_protocol::state::take_mail(const reply& r) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::mail);
  auto& c = current_;
  c.mail_accepted = r.is_positive();
  c.mail_refused = !c.mail_accepted;
  if (c.mail_accepted) return;
  if (r.code() == bad_sequence && c.was_ahead) {
    c.out_of_step = true;
    return;
  }
  for (const auto position : c.to_send) {
    c.what->results[position].step = client_step::mail;
    c.what->results[position].remote = r;
  }
}

void client_protocol::state::take_rcpt(const reply& r, std::size_t position) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::rcpt);
  auto& c = current_;
  if (c.mail_refused) return;
  if (r.is_positive()) {
    c.accepted.push_back(position);
    return;
  }
  auto& result = c.what->results[position];
  result.step = client_step::rcpt;
  if (r.code() == bad_sequence && is_pipelined()) {
    c.out_of_step = true;
    return;
  }
  result.remote = r;
}

void client_protocol::state::take_data(const reply& r) {
  auto& c = current_;
  if (r.code() == 354) {
    if (!c.accepted.empty()) return want_content(c);
    // Nobody is left, but the server waits for content (RFC 2920 3.1). An LMTP server must not
    // (RFC 2033 4.2), and how many replies it would give nobody knows.
    if (options_.is_lmtp) return fail_out_of_place(client_step::data);
    return say(command::empty_content, {"."});
  }
  if (!r.is_transient() && !r.is_permanent()) return fail_out_of_place(client_step::data);
  c.data_refused = true;
  if (r.code() == bad_sequence && is_pipelined() && !c.accepted.empty()) {
    c.out_of_step = true;
    for (const auto p : c.accepted) c.what->results[p].step = client_step::data;
    return;
  }
  credit_accepted(client_step::data, r);
}

void client_protocol::state::take_content(const reply& r, bool is_empty) {
  auto& c = current_;
  if (r.is_intermediate()) return fail_out_of_place(client_step::content);
  if (c.is_cut && r.is_positive()) {
    return fail(client_step::content, errc::protocol_error, "a part was taken for the whole");
  }
  if (r.is_positive() && !c.accepted.empty() && is_doubtful(r)) {
    client_failure failure;
    failure.step = client_step::content;
    failure.error = errc::protocol_error;
    failure.note = "the replies do not fit the commands: whose this one is, is not certain";
    failure.pipelining_broke = true;  // also without: DATA keeps both in step
    return fail(std::move(failure));
  }
  // Accepted or not, behind the final dot the server has forgotten the transaction (RFC 5321
  // 4.1.1.4); behind a refused chunk that is not certain.
  c.is_dirty = c.is_chunk && (c.accepted.empty() || !r.is_positive());
  const bool is_lost = c.is_chunk && r.code() == bad_sequence && is_pipelined();
  if (is_lost && !c.accepted.empty()) {
    c.out_of_step = true;
    for (const auto p : c.accepted) c.what->results[p].step = client_step::data;
  } else if (options_.is_lmtp && !c.accepted.empty()) {
    auto& result = c.what->results[c.accepted[c.answered++]];
    result.step = client_step::content;
    result.remote = r;
    if (c.answered < c.accepted.size()) return;
  } else if (!is_empty) {
    credit_accepted(client_step::content, r);
  }
  end_transaction();
}

/// Behind DATA 354 shows that everybody is in step. Where a chunk follows the recipients nothing
/// does, pipelined or not: one reply too many, and that to a recipient would pass for that to the
/// content. So there must be none left over, and none that speaks of an address (RFC 3463 3.2).
bool client_protocol::state::is_doubtful(const reply& r) const noexcept {
  if (!current_.is_chunk) return false;
  const bool is_last = !options_.is_lmtp || current_.answered + 1 == current_.accepted.size();
  if (is_last && ahead_.what == nullptr && parser_.is_inside_reply()) return true;
  return !options_.is_lmtp && r.enhanced().subject == 1;
}

void client_protocol::state::credit_accepted(client_step step, const reply& r) {
  for (const auto position : current_.accepted) {
    current_.what->results[position].step = step;
    current_.what->results[position].remote = r;
  }
}

void client_protocol::state::end_transaction() {
  current_.is_ended = true;
  if (current_.out_of_step) return fail(step_, errc::protocol_error, lost_commands);
  action_ = client_action::over;
}

void client_protocol::state::finished() {
  if (action_ != client_action::over) return;
  is_dirty_ = current_.is_dirty;
  current_.what = nullptr;
  action_ = client_action::ready;
  if (ahead_.what == nullptr) return;
  std::swap(current_, ahead_);
  action_ = client_action::need_input;
}

}  // namespace relais::smtp
