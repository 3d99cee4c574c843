// JSON Web Tokens as bearer tokens: signatures against a set of public keys (RFC 7515, 7517, 7518;
// RS256, ES256, EdDSA with Ed25519; never "none", never a shared key), and the claims that matter
// (RFC 7519). Pure: time is passed in.
#pragma once

#include <openssl/evp.h>

#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/backend.hpp"
#include "base/clock.hpp"
#include "config/settings.hpp"

namespace relais::auth {

struct free_key {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using public_key = std::unique_ptr<EVP_PKEY, free_key>;

class jwt_keys {
 public:
  /// A JSON Web Key Set. Keys of other kinds are passed over; one that is broken, or weak (RSA
  /// below 2048 bits), is named in `complaints`.
  static jwt_keys parse(std::string_view json, std::vector<std::string>& complaints);
  bool is_empty() const noexcept { return keys_.empty(); }

  enum class answer : std::uint8_t { good, bad, no_key };
  /// Whether one of the keys has signed `input`. `id` "" = any key of that algorithm.
  answer verify(std::string_view algorithm, std::string_view id, std::string_view input,
                std::string_view signature) const;

 private:
  struct key {
    std::string id, algorithm;
    public_key value;
  };
  std::vector<key> keys_;
};

/// Three parts of base64url: worth a look at the keys.
bool looks_like_jwt(std::string_view token) noexcept;

/// finding: right with the user; wrong; untrusted (issuer or audience); unknown: there is no key
/// for it here.
verdict check_jwt(std::string_view token, const jwt_keys& keys,
                  const config::token_settings& settings, wall_time now);

/// The claims of a token, or the answer of introspection, which has the same members.
/// `needs_expiry`: a token without an end is refused. A minute of leeway for the clocks of others.
verdict check_claims(const boost::json::object& claims, const config::token_settings& settings,
                     wall_time now, bool needs_expiry);

/// RFC 4648 5 without padding.
std::optional<std::string> base64url_decode(std::string_view text);

/// JSON with limits on depth; none if it is no object.
std::optional<boost::json::object> parse_json_object(std::string_view text);

}  // namespace relais::auth
