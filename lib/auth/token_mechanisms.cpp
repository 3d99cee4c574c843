// OAUTHBEARER (RFC 7628) and XOAUTH2: both carry a bearer token, and both end a refusal with one
// more challenge, which the client answers with nothing of use.
#include <array>

#include "auth/gs2.hpp"
#include "auth/mechanism.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

using enum mechanism_step::kind;

/// The token of "Bearer token"; "" if it is none (RFC 6750 2.1).
std::string_view bearer_of(std::string_view value) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (!istarts_with(value, scheme)) return {};
  const auto token = trimmed(value.substr(scheme.size()));
  constexpr std::string_view others = "-._~+/=";
  for (const char c : token) {
    if (!is_alnum(c) && others.find(c) == std::string_view::npos) return {};
  }
  return token;
}

/// The value of a key among "key=value" pairs, each ended by ^A; none if it is not there once, or
/// if the whole does not end as it must: with one more ^A.
std::optional<std::string_view> value_of(std::string_view pairs, std::string_view key) {
  if (!pairs.ends_with("\x01\x01")) return {};
  pairs.remove_suffix(2);
  std::optional<std::string_view> found;
  for (const auto pair : split(pairs, '\x01')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) return {};
    if (!iequals(pair.substr(0, equals), key)) continue;
    if (found) return {};
    found = pair.substr(equals + 1);
  }
  return found;
}

class token_mechanism : public mechanism {
 public:
  mechanism_step advance(std::optional<std::string_view> response) final {
    if (is_told_) return {refused, "bad token"};
    if (!response) return {challenge, ""};
    return read(*response);
  }
  mechanism_step refuse_token() final {
    is_told_ = true;
    return {challenge, std::string(error())};
  }

 protected:
  virtual mechanism_step read(std::string_view response) = 0;
  virtual std::string_view error() const noexcept = 0;

 private:
  bool is_told_ = false;
};

class oauthbearer final : public token_mechanism {
  mechanism_step read(std::string_view response) override {
    // gs2-header kvsep *kvpair kvsep; host and port are only hints.
    const auto header = parse_gs2_header(response);
    if (!header || header->binding != gs2_header::flag::none) {
      return {refused, "malformed OAUTHBEARER response"};
    }
    auto rest = response.substr(header->length);
    if (!rest.starts_with('\x01')) return {refused, "malformed OAUTHBEARER response"};
    const auto token = bearer_of(value_of(rest.substr(1), "auth").value_or(""));
    if (token.empty()) return {refused, "malformed OAUTHBEARER response"};
    user_ = header->authzid;
    return {check_token, user_, token};
  }
  std::string_view error() const noexcept override { return R"({"status":"invalid_token"})"; }
};

class xoauth2 final : public token_mechanism {
  mechanism_step read(std::string_view response) override {
    const auto name = value_of(response, "user").value_or("");
    const auto token = bearer_of(value_of(response, "auth").value_or(""));
    if (!is_user_name(name) || token.empty()) return {refused, "malformed XOAUTH2 response"};
    user_ = name;
    return {check_token, user_, token};
  }
  std::string_view error() const noexcept override {
    return R"({"status":"401","schemes":"bearer","scope":"mail"})";
  }
};

}  // namespace

std::unique_ptr<mechanism> make_oauthbearer() {
  return std::make_unique<oauthbearer>();
}
std::unique_ptr<mechanism> make_xoauth2() {
  return std::make_unique<xoauth2>();
}

}  // namespace relais::auth
