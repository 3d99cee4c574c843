// AUTH within a session (RFC 4954): hands the exchange to the authenticator, answers late and ever
// later when it fails, and ends the connection of who keeps guessing. Not here: mechanisms and
// secrets.
#include <chrono>

#include "auth/failure_book.hpp"
#include "inbound/session.hpp"

namespace relais::inbound {

using smtp::reply_id;

net::task<void> session::on_auth(std::string_view mechanism,
                                 std::optional<std::string_view> response) {
  mechanism_ = mechanism;
  login_ = context_.authenticator->begin(mechanism, channel_);
  std::optional<std::string> first;
  if (response) first.emplace(*response);
  co_await advance_login(std::move(first));
}

net::task<void> session::advance_login(std::optional<std::string> response) {
  auto step = co_await login_->advance(std::move(response));
  switch (step.is) {
    case auth::login_step::kind::challenge: protocol_.challenge(step.challenge); co_return;
    case auth::login_step::kind::accepted: break;
    case auth::login_step::kind::refused: co_await refuse_login(std::move(step)); co_return;
  }
  login_.reset();
  auth_failures_ = 0;
  account_ = std::move(step.who);
  facts_.user = account_.user;
  is_bound_ = context_.settings.auth.bind_sender;
  choose_newlines();
  protocol_.reply(reply_id::authenticated);
}

net::task<void> session::refuse_login(auth::login_step step) {
  events::auth_failed e;
  e.client_name = facts_.name;
  e.client = client_;
  e.mechanism = mechanism_;
  const auto user = std::string(login_->user());
  e.user = user;
  e.reason = step.reason;
  context_.events.emit(e);
  login_.reset();
  const auto& settings = context_.settings.auth;
  // A backend that is down is no guess.
  if (step.reply == reply_id::auth_unavailable) {
    protocol_.reply(step.reply);
    co_return;
  }
  ++auth_failures_;
  const auto delay = auth::failure_delay(settings, auth_failures_);
  if (!draining_) co_await net::sleep_for(context_.world, delay);
  const bool is_enough = auth_failures_ >= settings.failures_per_connection;
  protocol_.reply(is_enough ? reply_id::too_many_auth_failures : step.reply);
}

// Counted: a bearer token is refused by a challenge, to which "*" is an answer, too.
void session::on_auth_cancelled() {
  ++auth_failures_;
  events::auth_failed e;
  e.client_name = facts_.name;
  e.client = client_;
  e.mechanism = mechanism_;
  e.reason = "the exchange was broken off";
  context_.events.emit(e);
  login_.reset();
}

}  // namespace relais::inbound
