// SASL mechanisms of a server as sans-I/O objects (RFC 4422): responses in, challenges and
// questions out. They know no passwords of others: whom to ask is the caller's business.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/secret.hpp"

namespace relais::auth {

struct mechanism_step {
  enum class kind : std::uint8_t {
    challenge,       ///< `text` to the client, the next response to advance()
    check_password,  ///< is `credential` the password of `text`? That decides.
    check_token,  ///< is `credential` a token, of `text` ("" = of whom it says)? No: refuse_token()
    accepted,     ///< `text` is the user
    refused       ///< `text` says why, for the log
  };
  kind is = kind::refused;
  std::string text;
  secret credential;

  mechanism_step(kind k, std::string t) : is(k), text(std::move(t)) {}
  mechanism_step(kind k, std::string_view user, std::string_view password)
      : is(k), text(user), credential(password) {}
};

class mechanism {
 public:
  virtual ~mechanism() = default;
  /// First the initial response, if there is one, then each response.
  virtual mechanism_step advance(std::optional<std::string_view> response) = 0;
  /// After check_token: what a client that has shown a bad token is told (RFC 7628 3.2.2).
  virtual mechanism_step refuse_token() { return {mechanism_step::kind::refused, "bad token"}; }
  /// Named so far; "".
  const std::string& user() const noexcept { return user_; }

 protected:
  std::string user_;
};

/// Not empty, at most 255 octets, UTF-8 without controls.
bool is_user_name(std::string_view text) noexcept;

/// RFC 4616.
std::unique_ptr<mechanism> make_plain();
/// draft-murchison-sasl-login; the user's name may come as the initial response.
std::unique_ptr<mechanism> make_login();
/// RFC 4422 appendix A; `certificate_user` is what the certificate stands for.
std::unique_ptr<mechanism> make_external(std::string certificate_user);
/// RFC 7628.
std::unique_ptr<mechanism> make_oauthbearer();
/// What Google and Microsoft use.
std::unique_ptr<mechanism> make_xoauth2();

}  // namespace relais::auth
