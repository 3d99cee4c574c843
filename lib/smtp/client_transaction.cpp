// One mail transaction: RSET if needed, MAIL, RCPT, DATA, the final dot (RFC 5321 3.3, RFC
// 2920 3.1). Each recipient is credited with the reply that decided its fate, and nothing but the
// reply to the final dot can make it delivered.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "smtp/client_state.hpp"

namespace relais::smtp {
namespace {

/// RFC 2852 4: at most nine digits.
std::int64_t seconds_left(const deliver_by& by, wall_time now) {
  constexpr std::int64_t most = 999'999'999;
  const auto left = std::chrono::floor<std::chrono::seconds>(by.at - now).count();
  return std::clamp<std::int64_t>(left, -most, most);
}

}  // namespace

void client_protocol::state::begin(const envelope& message,
                                   const std::vector<std::size_t>& recipients, std::uint64_t size,
                                   wall_time now) {
  if (in_transaction_) return;
  results_.assign(recipients.size(), recipient_reply{client_step::mail, {}, local_fault::none});
  if (action_ != client_action::ready) return;
  // What came since the last reply cannot answer what is said now.
  pump();
  if (action_ != client_action::ready) return;
  envelope_ = &message;
  recipients_ = recipients;
  size_ = size;
  now_ = now;
  accepted_.clear();
  to_send_.clear();
  next_to_send_ = 0;
  mail_refused_ = false;
  if (!find_local_faults()) return;
  in_transaction_ = true;
  if (features_.pipelining) return say_transaction();
  if (is_dirty_)
    say(command::reset, {"RSET"});
  else
    say_mail();
}

local_fault client_protocol::state::fault_of(const envelope& message, std::size_t recipient,
                                             std::uint64_t size, wall_time now) const {
  const auto& f = features_;
  const bool verified = tls_ && options_.tls == tls_level::verify;
  if (message.require_tls && !(verified && f.require_tls)) return local_fault::require_tls_not_met;
  if (message.body == body_type::binary_mime && !(f.chunking && f.binary_mime)) {
    return local_fault::binary_not_offered;
  }
  if (f.size && f.size_limit > 0 && size > f.size_limit) return local_fault::size_exceeds_limit;
  if (message.by && message.by->is_return) {
    const auto left = seconds_left(*message.by, now);
    if (left <= 0) return local_fault::deliver_by_over;
    if (!f.deliver_by || static_cast<std::uint64_t>(left) < f.deliver_by_least) {
      return local_fault::deliver_by_not_offered;
    }
  }
  const bool is_utf8 = message.smtputf8 || message.reverse_path.needs_smtputf8() ||
                       message.forward_paths.at(recipient).needs_smtputf8();
  return is_utf8 && !f.smtputf8 ? local_fault::smtputf8_not_offered : local_fault::none;
}

/// Fills to_send_; false if nothing is left to do.
bool client_protocol::state::find_local_faults() {
  for (std::size_t i = 0; i < recipients_.size(); ++i) {
    results_[i].fault = fault_of(*envelope_, recipients_[i], size_, now_);
    if (results_[i].fault == local_fault::none) to_send_.push_back(i);
  }
  return !to_send_.empty();
}

void client_protocol::state::say_transaction() {
  if (is_dirty_) say(command::reset, {"RSET"});
  say_mail();
  while (next_to_send_ < to_send_.size()) say_rcpt();
  // Behind BDAT no reply tells to go on: the chunk follows once a recipient is accepted.
  if (!is_chunk()) say(command::data, {"DATA"});
}

std::string client_protocol::state::mail_parameters() const {
  const auto& e = *envelope_;
  std::string text;
  if (features_.size) text += fmt::format(" SIZE={}", size_);
  if (e.body == body_type::binary_mime) {
    text += " BODY=BINARYMIME";
  } else if (e.body == body_type::eight_bit_mime && features_.eight_bit_mime) {
    text += " BODY=8BITMIME";
  }
  if (features_.smtputf8 && (e.smtputf8 || e.has_utf8_address())) text += " SMTPUTF8";
  if (features_.dsn) {
    if (e.ret == dsn_return::full) text += " RET=FULL";
    if (e.ret == dsn_return::headers) text += " RET=HDRS";
    if (!e.envelope_id.empty()) text.append(" ENVID=").append(e.envelope_id);
  }
  if (e.require_tls) text += " REQUIRETLS";
  if (e.priority != 0 && features_.mt_priority) text += fmt::format(" MT-PRIORITY={}", e.priority);
  if (e.by && features_.deliver_by) {
    text += fmt::format(" BY={};{}{}", seconds_left(*e.by, now_), e.by->is_return ? 'R' : 'N',
                        e.by->trace ? "T" : "");
  }
  return text;
}

/// RFC 3461 5.2.1: as they came.
std::string client_protocol::state::rcpt_parameters(std::size_t recipient) const {
  std::string text;
  if (!features_.dsn) return text;
  const auto& asked = envelope_->options_of(recipient);
  if (asked.notify.is_specified()) {
    const auto add = [&](bool wanted, std::string_view word) {
      if (wanted) text.append(text.empty() ? " NOTIFY=" : ",").append(word);
    };
    add(asked.notify.never, "NEVER");
    add(asked.notify.success, "SUCCESS");
    add(asked.notify.failure, "FAILURE");
    add(asked.notify.delay, "DELAY");
  }
  if (!asked.original_recipient.empty()) text.append(" ORCPT=").append(asked.original_recipient);
  return text;
}

void client_protocol::state::say_mail() {
  say(command::mail, {"MAIL FROM:<", envelope_->reverse_path.text(), ">", mail_parameters()});
  is_dirty_ = true;
}

void client_protocol::state::say_rcpt() {
  const auto position = to_send_[next_to_send_++];
  const auto recipient = recipients_[position];
  const auto& address = envelope_->forward_paths[recipient];
  say(command::rcpt, {"RCPT TO:<", address.text(), ">", rcpt_parameters(recipient)}, position);
}

/// RFC 3030 2: one chunk is enough, as its size is known. Its reply is that to the content.
void client_protocol::state::want_chunk() {
  output_ += fmt::format("BDAT {} LAST\r\n", size_);
  action_ = client_action::want_content;
}

/// After each reply: where nothing more is under way, the next command or the end.
void client_protocol::state::go_on_with_transaction() {
  if (!awaited_.empty()) return;
  if (mail_refused_) return end_transaction();
  if (step_ == client_step::data) return end_transaction();
  if (next_to_send_ < to_send_.size()) return say_rcpt();
  if (accepted_.empty()) return end_transaction();
  if (is_chunk()) return want_chunk();
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
