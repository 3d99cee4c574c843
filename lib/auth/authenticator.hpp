// AUTH as a session sees it (RFC 4954, RFC 4422): which mechanisms are usable now, and one login
// from its first word to its verdict. Mechanisms (SASL) are pure; backends (users file, PAM,
// Dovecot, tokens) stand behind them. All failures of credentials look and last alike. Of one
// worker; passwords are never logged and wiped after use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.hpp"
#include "net/task.hpp"
#include "smtp/path.hpp"
#include "smtp/replies.hpp"

namespace relais::auth {

/// What the connection proves by itself.
struct channel {
  bool is_tls = false;
  std::string tls_exporter;   ///< 32 octets, RFC 9266; "" = not available (TLS 1.2 without EMS)
  std::string tls_end_point;  ///< hash of our certificate, RFC 5929; "" = none
  /// The user that a verified client certificate, or its configured fingerprint, stands for; "".
  std::string certificate_user;
  ip_address client;
};

/// Who logged in, and as whom mail may be sent.
struct account {
  std::string user;
  /// "a@b.example", "@b.example" or "*"; empty: `user` itself if it is an address, else that
  /// local-part of any domain.
  std::vector<std::string> senders;
  bool may_send_as(const smtp::path& sender) const;
};

struct login_step {
  enum class kind : std::uint8_t { challenge, accepted, refused } is = kind::refused;
  std::string challenge;  ///< octets, not encoded
  account who;            ///< accepted
  /// refused: auth_failed, auth_unavailable, account_disabled, password_transition_needed,
  /// mechanism_too_weak, trust_required, initial_response_forbidden, too_many_auth_failures
  smtp::reply_id reply = smtp::reply_id::auth_failed;
  std::string reason;  ///< for the log only: "no such user", "backend: connection refused"
};

/// One AUTH exchange. Not to be used behind accepted or refused.
class login {
 public:
  virtual ~login() = default;
  /// First the initial response, if there is one, then each response; decoded from base64.
  virtual net::task<login_step> advance(std::optional<std::string> response) = 0;
  /// The user named so far, for logs; may be "".
  virtual std::string_view user() const noexcept = 0;
};

class authenticator {
 public:
  virtual ~authenticator() = default;
  /// To be announced on such a channel, best first; the names live as long as this object.
  virtual std::vector<std::string_view> mechanisms(const channel& on) const = 0;
  /// `mechanism` is one of those. Failures are counted by on.client; one that has failed too often
  /// is refused at once (too_many_auth_failures) whatever it says.
  virtual std::unique_ptr<login> begin(std::string_view mechanism, const channel& on) = 0;
};

}  // namespace relais::auth
