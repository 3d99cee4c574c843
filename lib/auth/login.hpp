// One AUTH exchange: drives a mechanism, asks the backends, counts failures. Nothing of the
// protocols' grammar is here.
#pragma once

#include <memory>
#include <string>

#include "auth/backend.hpp"
#include "auth/failure_book.hpp"
#include "auth/mechanism.hpp"
#include "auth/users_file.hpp"

namespace relais::auth {

/// Of the authenticator; null where it has none.
struct login_parts {
  const clock* time = nullptr;
  failure_book* failures = nullptr;
  watched_users* users = nullptr;
  password_backend* passwords = nullptr;
  token_backend* tokens = nullptr;
};

class sasl_login final : public login {
 public:
  sasl_login(const login_parts& parts, std::unique_ptr<mechanism> how, channel on);
  net::task<login_step> advance(std::optional<std::string> response) override;
  std::string_view user() const noexcept override { return how_->user(); }

 private:
  net::task<login_step> check_password(mechanism_step step);
  net::task<login_step> check_token(mechanism_step step);
  login_step conclude(verdict said);
  login_step refused(smtp::reply_id reply, std::string reason);
  verdict look_at_account(const std::string& user);

  login_parts parts_;
  std::unique_ptr<mechanism> how_;
  channel on_;
  std::optional<login_step> after_token_;  // said when the client has answered the error
};

}  // namespace relais::auth
