// One mail transaction: RSET if needed, MAIL, RCPT, DATA, the final dot (RFC 5321 3.3, RFC
// 2920 3.1). Each recipient is credited with the reply that decided its fate, and nothing but the
// reply to the final dot can make it delivered.
#include <fmt/format.h>

#include "smtp/client_state.hpp"

namespace relais::smtp {

void client_protocol::state::begin(const envelope& message,
                                   const std::vector<std::size_t>& recipients, std::uint64_t size) {
  if (in_transaction_) return;
  results_.assign(recipients.size(), recipient_reply{client_step::mail, {}, local_fault::none});
  if (action_ != client_action::ready) return;
  // What came since the last reply cannot answer what is said now.
  pump();
  if (action_ != client_action::ready) return;
  envelope_ = &message;
  recipients_ = recipients;
  size_ = size;
  accepted_.clear();
  to_send_.clear();
  next_to_send_ = 0;
  mail_refused_ = false;
  if (!find_local_faults(size)) return;
  in_transaction_ = true;
  if (features_.pipelining) return say_transaction();
  if (is_dirty_)
    say(command::reset, {"RSET"});
  else
    say_mail();
}

/// Fills to_send_; false if nothing is left to do.
bool client_protocol::state::find_local_faults(std::uint64_t size) {
  const bool too_big = features_.size && features_.size_limit > 0 && size > features_.size_limit;
  const bool sender_fits = features_.smtputf8 || !envelope_->reverse_path.needs_smtputf8();
  for (std::size_t i = 0; i < recipients_.size(); ++i) {
    const auto& address = envelope_->forward_paths.at(recipients_[i]);
    if (too_big) {
      results_[i].fault = local_fault::size_exceeds_limit;
    } else if (!sender_fits || (!features_.smtputf8 && address.needs_smtputf8())) {
      results_[i].fault = local_fault::smtputf8_not_offered;
    } else {
      to_send_.push_back(i);
    }
  }
  return !to_send_.empty();
}

void client_protocol::state::say_transaction() {
  if (is_dirty_) say(command::reset, {"RSET"});
  say_mail();
  while (next_to_send_ < to_send_.size()) say_rcpt();
  say(command::data, {"DATA"});
}

void client_protocol::state::say_mail() {
  const auto size = features_.size ? fmt::format(" SIZE={}", size_) : std::string();
  const bool eight_bit = features_.eight_bit_mime && envelope_->body == body_type::eight_bit_mime;
  const bool utf8 = features_.smtputf8 && envelope_->smtputf8;
  say(command::mail, {"MAIL FROM:<", envelope_->reverse_path.text(), ">", size,
                      eight_bit ? " BODY=8BITMIME" : "", utf8 ? " SMTPUTF8" : ""});
  is_dirty_ = true;
}

void client_protocol::state::say_rcpt() {
  const auto position = to_send_[next_to_send_++];
  const auto& address = envelope_->forward_paths[recipients_[position]];
  say(command::rcpt, {"RCPT TO:<", address.text(), ">"}, position);
}

/// After each reply: where nothing more is under way, the next command or the end.
void client_protocol::state::go_on_with_transaction() {
  if (!awaited_.empty()) return;
  if (mail_refused_) return end_transaction();
  if (step_ == client_step::data) return end_transaction();
  if (next_to_send_ < to_send_.size()) return say_rcpt();
  if (accepted_.empty()) return end_transaction();
  say(command::data, {"DATA"});
}

void client_protocol::state::take_reset(const reply& r) {
  // A server that cannot forget the last transaction must not get the next one.
  if (r.is_intermediate()) return fail_out_of_place(client_step::mail);
  if (!r.is_positive()) return fail(client_step::mail, r);
  if (awaited_.empty()) say_mail();
}

void client_protocol::state::take_mail(const reply& r) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::mail);
  if (r.is_positive()) return;
  mail_refused_ = true;
  for (const auto position : to_send_) {
    results_[position].step = client_step::mail;
    results_[position].remote = r;
  }
}

void client_protocol::state::take_rcpt(const reply& r, std::size_t position) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::rcpt);
  if (mail_refused_) return;
  if (r.is_positive()) {
    accepted_.push_back(position);
    return;
  }
  results_[position].step = client_step::rcpt;
  results_[position].remote = r;
}

void client_protocol::state::take_data(const reply& r) {
  if (r.code() == 354) {
    if (!accepted_.empty()) {
      action_ = client_action::want_content;
      return;
    }
    // Nobody is left, but the server waits for content (RFC 2920 3.1).
    return say(command::empty_content, {"."});
  }
  if (!r.is_transient() && !r.is_permanent()) return fail_out_of_place(client_step::data);
  credit_accepted(client_step::data, r);
}

void client_protocol::state::take_content(const reply& r, bool is_empty) {
  if (r.is_intermediate()) return fail_out_of_place(client_step::content);
  // Accepted or not, the server has forgotten the transaction (RFC 5321 4.1.1.4).
  is_dirty_ = false;
  if (!is_empty) credit_accepted(client_step::content, r);
  end_transaction();
}

void client_protocol::state::credit_accepted(client_step step, const reply& r) {
  for (const auto position : accepted_) {
    results_[position].step = step;
    results_[position].remote = r;
  }
}

void client_protocol::state::end_transaction() {
  in_transaction_ = false;
  envelope_ = nullptr;
  action_ = client_action::ready;
}

void client_protocol::state::leave_unanswered(client_step step) {
  // Before the final dot is out, nothing can have been delivered: that is `data`.
  if (action_ == client_action::want_content) step = client_step::data;
  for (auto& result : results_) {
    if (!result.remote && result.fault == local_fault::none) result.step = step;
  }
}

}  // namespace relais::smtp
