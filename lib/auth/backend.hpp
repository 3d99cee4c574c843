// What stands behind the mechanisms: who knows whether a password or a token is right.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "auth/authenticator.hpp"
#include "auth/secret.hpp"
#include "net/runtime.hpp"

namespace relais::auth {

enum class finding : std::uint8_t {
  right,
  wrong,
  unknown,      ///< no such user here: the next backend may know
  disabled,     ///< right, but the account is shut
  expired,      ///< right, but the password has to be changed first
  too_weak,     ///< right, but the account wants another mechanism
  untrusted,    ///< a token for another service
  unavailable,  ///< the backend does not answer
};

struct verdict {
  finding is = finding::unavailable;
  account who;         ///< right
  std::string reason;  ///< for the log; nothing secret
  verdict() = default;
  verdict(finding f, std::string why) : is(f), reason(std::move(why)) {}
  explicit verdict(account right) : is(finding::right), who(std::move(right)) {}
};

class password_backend {
 public:
  virtual ~password_backend() = default;
  virtual net::task<verdict> check(std::string user, std::shared_ptr<const secret> password,
                                   const channel& on) = 0;
};

class token_backend {
 public:
  virtual ~token_backend() = default;
  virtual net::task<verdict> check(std::shared_ptr<const secret> token) = 0;
};

}  // namespace relais::auth
