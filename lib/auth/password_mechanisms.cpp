// PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422 appendix A).
#include <algorithm>

#include "auth/mechanism.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

using enum mechanism_step::kind;

constexpr std::size_t longest_name = 255;

mechanism_step malformed(const char* what) {
  return {refused, what};
}

bool is_password(std::string_view text) noexcept {
  return !text.empty() && is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

class plain final : public mechanism {
  mechanism_step advance(std::optional<std::string_view> response) override {
    if (!response) return {challenge, ""};
    const auto parts = split(*response, '\0');
    if (parts.size() != 3) return malformed("malformed PLAIN response");
    const auto authzid = parts[0], authcid = parts[1], password = parts[2];
    if (!is_user_name(authcid) || !is_password(password)) {
      return malformed("malformed PLAIN response");
    }
    user_ = authcid;
    if (!authzid.empty() && authzid != authcid) return {refused, "wants to act as somebody else"};
    return {check_password, authcid, password};
  }
};

class login final : public mechanism {
  mechanism_step advance(std::optional<std::string_view> response) override {
    if (!asked_for_user_ && !response) {
      asked_for_user_ = true;
      return {challenge, "Username:"};
    }
    if (!response) return malformed("malformed LOGIN response");
    if (user_.empty()) {
      if (!is_user_name(*response)) return malformed("malformed LOGIN user");
      user_ = *response;
      asked_for_user_ = true;
      return {challenge, "Password:"};
    }
    if (!is_password(*response)) return malformed("malformed LOGIN password");
    return {check_password, user_, *response};
  }
  bool asked_for_user_ = false;
};

class external final : public mechanism {
 public:
  explicit external(std::string certificate_user)
      : certificate_user_(std::move(certificate_user)) {}
  mechanism_step advance(std::optional<std::string_view> response) override {
    if (!response) return {challenge, ""};
    user_ = certificate_user_;
    if (certificate_user_.empty()) return {refused, "no client certificate"};
    if (!response->empty() && *response != certificate_user_) {
      return {refused, "wants to act as somebody else"};
    }
    return {accepted, certificate_user_};
  }

 private:
  std::string certificate_user_;
};

}  // namespace

bool is_user_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= longest_name && is_valid_utf8(text) &&
         std::ranges::none_of(text, is_control);
}

std::unique_ptr<mechanism> make_plain() {
  return std::make_unique<plain>();
}
std::unique_ptr<mechanism> make_login() {
  return std::make_unique<login>();
}
std::unique_ptr<mechanism> make_external(std::string certificate_user) {
  return std::make_unique<external>(std::move(certificate_user));
}

}  // namespace relais::auth
