// Matching replies to commands: first in, first out, one reply per command (RFC 5321 4.2, RFC 2920
// 3.1; LMTP: one per accepted recipient behind a content, RFC 2033 4.2), and what stays certain
// when a session breaks.
#include <algorithm>
#include <utility>

#include "smtp/client_state.hpp"

namespace relais::smtp {

void wipe(std::string& secret) noexcept {
  volatile char* octet = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) octet[i] = '\0';
  secret.clear();
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

client_step client_protocol::state::step() const noexcept {
  if (action_ == client_action::failed) return failure_.step;
  if (action_ == client_action::want_content) return client_step::content;
  return outstanding() > 0 ? step_of(awaited_[awaited_from_].what) : step_;
}

void client_protocol::state::await(command what, std::size_t position) {
  flight_ = outstanding() == 0 ? 1 : flight_ + 1;
  awaited_.push_back({what, position});
}

void client_protocol::state::say(command what, std::initializer_list<std::string_view> pieces) {
  for (const auto piece : pieces) output_ += piece;
  end_line(what);
}

void client_protocol::state::end_line(command what, std::size_t position) {
  output_ += "\r\n";
  await(what, position);
  if (written_ == 0) ++unwritten_;
  action_ = client_action::need_input;
}

void client_protocol::state::written(std::size_t octets) noexcept {
  if (octets > 0) unwritten_ = 0;
  written_ = std::min(written_ + octets, output_.size());
  if (written_ == output_.size()) wipe_output();
}

/// Octets that answer nothing; true: there were some, and the session has failed.
bool client_protocol::state::take_surplus() {
  if (!surplus_ && !parser_.is_inside_reply()) return false;
  const auto here = outstanding() > 0 ? step_of(awaited_[awaited_from_].what) : step_;
  const auto received = parser_.next();
  // A server that leaves says so at any time (RFC 5321 3.8): worth telling, never an answer.
  if (received && *received && (*received)->code() == 421) {
    fail(here, **received);
  } else {
    fail(here, errc::protocol_error, "octets came while no reply was awaited");
  }
  return true;
}

void client_protocol::state::pump() {
  while (!is_over()) {
    // What lies behind the last reply of a transaction is looked at when that is finished().
    if (action_ == client_action::over) return;
    if ((surplus_ || !is_listening()) && take_surplus()) return;
    if (broken_ && (!is_running() || !is_listening())) return fail(step(), broken_);
    if (!is_running() || !is_listening()) return;
    const auto received = parser_.next();
    if (!received) return fail(step(), received.error(), "a line that is no reply");
    if (!*received) return;
    take(**received);
  }
}

void client_protocol::state::drop_awaited() {
  constexpr std::size_t many = 64;
  ++awaited_from_;
  if (awaited_from_ == awaited_.size()) {
    awaited_.clear();
    awaited_from_ = 0;
  } else if (awaited_from_ >= many && awaited_from_ * 2 > awaited_.size()) {
    awaited_.erase(awaited_.begin(), awaited_.begin() + static_cast<std::ptrdiff_t>(awaited_from_));
    awaited_from_ = 0;
  }
}

void client_protocol::state::take(const reply& r) {
  ++replies_;
  const auto [what, position] = awaited_[awaited_from_];
  const bool more_follow = options_.is_lmtp && what == command::content &&
                           current_.answered + 1 < current_.accepted.size();
  if (!more_follow) drop_awaited();
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
  if (current_.what != nullptr && is_running()) go_on();
}

void client_protocol::state::cut(error_code why) {
  if (is_over() || broken_) return;
  broken_ = why;
  // What never left is never answered.
  awaited_.resize(awaited_.size() - unwritten_);
  unwritten_ = 0;
  wipe_output();
  if (action_ == client_action::want_content) {
    content_run_->is_cut = true;
    content_sent();
    return;
  }
  auto& last = ahead_.what != nullptr ? ahead_ : current_;
  last.is_cut = last.is_cut || (last.what != nullptr && last.content_sent);
}

void client_protocol::state::abort(error_code why) {
  if (is_over()) return;
  client_failure failure;
  failure.step = step();
  failure.error = why;
  failure.pipelining_broke = looks_like_lost_commands(why);
  fail(std::move(failure));
}

/// See the header of client_protocol.hpp, (3) and (4).
bool client_protocol::state::looks_like_lost_commands(error_code why) const noexcept {
  const bool is_timeout = why == errc::timeout;
  if (!is_pipelined() || broken_ || outstanding() == 0) return false;
  if (!is_timeout && why != errc::peer_closed) return false;
  switch (awaited_[awaited_from_].what) {
    case command::rcpt:
    case command::data: return current_.mail_accepted;
    case command::reset:
    case command::mail: return is_timeout && current_.was_ahead;
    default: return false;
  }
}

void client_protocol::state::fail(client_failure why) {
  for (auto* r : {&current_, &ahead_}) {
    if (r->what != nullptr) leave_unanswered(*r, why);
  }
  failure_ = std::move(why);
  action_ = client_action::failed;
  awaited_.clear();
  awaited_from_ = unwritten_ = 0;
  parser_.clear();
  wipe_output();
}

void client_protocol::state::fail(client_step step, error_code error, std::string_view note) {
  client_failure failure;
  failure.step = step;
  failure.error = error;
  failure.note = note;
  failure.pipelining_broke = error == errc::protocol_error && is_pipelined();
  fail(std::move(failure));
}

void client_protocol::state::fail(client_step step, const reply& r) {
  client_failure failure;
  failure.step = step;
  failure.remote = r;
  fail(std::move(failure));
}

void client_protocol::state::fail_out_of_place(client_step step) {
  fail(step, errc::protocol_error, "a reply that the command cannot have");
}

/// `content` is said of those that may have been delivered, and of nobody else: the end of their
/// content may have left, and no 421 came before. An orderly end of the connection proves nothing:
/// a server may take all of a flight and die before it writes its replies.
void client_protocol::state::leave_unanswered(run& r, const client_failure& why) {
  if (r.is_ended) return;
  const bool is_ahead = &r == &ahead_;
  const bool has_left = why.remote && why.remote->code() == 421;
  const bool envelope_was_due = is_ahead || why.step != client_step::content;
  const bool may_be_there = r.content_sent && !r.is_cut && !(has_left && envelope_was_due);
  if (is_ahead && !may_be_there) r.what->was_begun = false;
  auto step = is_ahead ? client_step::mail : why.step;
  if (may_be_there) {
    step = client_step::content;
  } else if (!is_ahead && (step == client_step::content || content_run_ == &r)) {
    step = client_step::data;  // before the end of the content nothing can have been delivered
  }
  for (auto& result : r.what->results) {
    if (!result.remote && result.fault == local_fault::none) result.step = step;
  }
}

void client_protocol::state::wipe_output() noexcept {
  if (secret_in_output_) wipe(output_);
  secret_in_output_ = false;
  output_.clear();
  written_ = 0;
}

}  // namespace relais::smtp
