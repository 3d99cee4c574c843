// Passwords: the users file first; users whom it does not know are asked for at the other backends
// in turn (PAM, Dovecot). Whoever is not known anywhere costs as much time as the others.
#pragma once

#include <memory>
#include <vector>

#include "auth/backend.hpp"
#include "auth/blocking.hpp"
#include "auth/users_file.hpp"

namespace relais::auth {

class password_chain final : public password_backend {
 public:
  /// `users` may be null; all outlive this object.
  password_chain(watched_users* users, blocking_gate& gate,
                 std::vector<std::unique_ptr<password_backend>> others);
  net::task<verdict> check(std::string user, std::shared_ptr<const secret> password,
                           const channel& on) override;
  bool is_empty() const noexcept { return users_ == nullptr && others_.empty(); }
  /// Whether passwords are checked by anybody but the users file.
  bool has_others() const noexcept { return !others_.empty(); }

 private:
  net::task<verdict> check_entry(user_entry entry, std::shared_ptr<const secret> password);
  net::task<bool> spend_the_time_of_a_hash(std::shared_ptr<const secret> password);
  net::task<verdict> ask_others(std::string user, std::shared_ptr<const secret> password,
                                const channel& on);

  watched_users* users_;
  blocking_gate& gate_;
  std::vector<std::unique_ptr<password_backend>> others_;
};

}  // namespace relais::auth
