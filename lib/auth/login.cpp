#include "auth/login.hpp"

namespace relais::auth {
namespace {

using smtp::reply_id;

reply_id reply_of(finding is) noexcept {
  switch (is) {
    case finding::disabled: return reply_id::account_disabled;
    case finding::expired: return reply_id::password_transition_needed;
    case finding::too_weak: return reply_id::mechanism_too_weak;
    case finding::untrusted: return reply_id::trust_required;
    case finding::unavailable: return reply_id::auth_unavailable;
    default: return reply_id::auth_failed;
  }
}

login_step challenge_of(std::string octets) {
  login_step step;
  step.is = login_step::kind::challenge;
  step.challenge = std::move(octets);
  return step;
}

}  // namespace

sasl_login::sasl_login(const login_parts& parts, std::unique_ptr<mechanism> how, channel on)
    : parts_(parts), how_(std::move(how)), on_(std::move(on)) {}

net::task<login_step> sasl_login::advance(std::optional<std::string> response) {
  if (parts_.failures->is_blocked(on_.client, parts_.time->now())) {
    if (response) wipe(*response);
    co_return refused(reply_id::too_many_auth_failures, "too many failed logins of this client");
  }
  auto step = how_->advance(response);
  if (response) wipe(*response);
  switch (step.is) {
    case mechanism_step::kind::challenge: co_return challenge_of(std::move(step.text));
    case mechanism_step::kind::check_password: co_return co_await check_password(std::move(step));
    case mechanism_step::kind::check_token: co_return co_await check_token(std::move(step));
    case mechanism_step::kind::accepted: co_return conclude(look_at_account(step.text));
    case mechanism_step::kind::refused: break;
  }
  if (after_token_) co_return std::move(*after_token_);
  co_return refused(reply_id::auth_failed, std::move(step.text));
}

net::task<login_step> sasl_login::check_password(mechanism_step step) {
  auto password = std::make_shared<const secret>(std::move(step.credential));
  auto said = co_await parts_.passwords->check(step.text, std::move(password), on_);
  co_return conclude(std::move(said));
}

net::task<login_step> sasl_login::check_token(mechanism_step step) {
  auto token = std::make_shared<const secret>(std::move(step.credential));
  auto said = co_await parts_.tokens->check(std::move(token));
  if (said.is == finding::right) {
    const auto user = said.who.user;
    said = !step.text.empty() && step.text != user
               ? verdict(finding::wrong, "the token is of another user")
               : look_at_account(user);
  }
  const bool is_told =
      said.is == finding::wrong || said.is == finding::unknown || said.is == finding::untrusted;
  auto end = conclude(std::move(said));
  if (!is_told) co_return end;
  auto error = how_->refuse_token();
  if (error.is != mechanism_step::kind::challenge) co_return end;
  after_token_ = std::move(end);
  co_return challenge_of(std::move(error.text));
}

/// Of somebody who has proved to be that user, but not by a password of a backend.
verdict sasl_login::look_at_account(const std::string& user) {
  const auto table = parts_.users != nullptr ? parts_.users->current() : nullptr;
  const auto* known = table ? table->find(user) : nullptr;
  if (known == nullptr) return verdict(account{user, {}});
  if (known->is_disabled) return {finding::disabled, "the account is disabled"};
  return verdict(account{user, known->senders});
}

login_step sasl_login::conclude(verdict said) {
  if (said.is != finding::right) return refused(reply_of(said.is), std::move(said.reason));
  login_step step;
  step.is = login_step::kind::accepted;
  step.who = std::move(said.who);
  return step;
}

login_step sasl_login::refused(reply_id reply, std::string reason) {
  if (reply == reply_id::auth_failed || reply == reply_id::trust_required) {
    parts_.failures->failed(on_.client, parts_.time->now());
  }
  login_step step;
  step.reply = reply;
  step.reason = std::move(reason);
  return step;
}

}  // namespace relais::auth
