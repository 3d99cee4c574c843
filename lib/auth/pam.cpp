#include "auth/pam.hpp"

#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>

namespace relais::auth {
namespace {

struct question {
  const char* user;
  const char* password;
};

/// The conversation of a program without a person: the password to every hidden prompt, the user to
/// every other. PAM frees the answers.
int converse(int count, const pam_message** messages, pam_response** answers, void* data) {
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  const auto& about = *static_cast<const question*>(data);
  auto* made = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (made == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const int style = messages[i]->msg_style;
    if (style == PAM_PROMPT_ECHO_OFF) made[i].resp = ::strdup(about.password);
    if (style == PAM_PROMPT_ECHO_ON) made[i].resp = ::strdup(about.user);
  }
  *answers = made;
  return PAM_SUCCESS;
}

/// Modules ask for a delay behind failures; the session has its own, which blocks no thread.
void no_delay(int, unsigned, void*) {}

finding finding_of(int code) noexcept {
  switch (code) {
    case PAM_SUCCESS: return finding::right;
    case PAM_USER_UNKNOWN: return finding::unknown;
    case PAM_AUTH_ERR:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
    case PAM_CRED_INSUFFICIENT: return finding::wrong;
    default: return finding::unavailable;
  }
}

/// Of account management: the password was right.
finding finding_of_account(int code) noexcept {
  switch (code) {
    case PAM_SUCCESS: return finding::right;
    case PAM_NEW_AUTHTOK_REQD: return finding::expired;
    case PAM_USER_UNKNOWN:
    case PAM_AUTH_ERR:
    case PAM_ACCT_EXPIRED:
    case PAM_PERM_DENIED: return finding::disabled;
    default: return finding::unavailable;
  }
}

struct job {
  std::string service, directory, user, client;
  std::shared_ptr<const secret> password;
};

class conversation {
 public:
  explicit conversation(const job& what)
      : about_{what.user.c_str(), what.password->c_str()}, talk_{converse, &about_} {
    status_ = what.directory.empty()
                  ? pam_start(what.service.c_str(), about_.user, &talk_, &handle_)
                  : pam_start_confdir(what.service.c_str(), about_.user, &talk_,
                                      what.directory.c_str(), &handle_);
    if (status_ != PAM_SUCCESS) return;
    pam_set_item(handle_, PAM_RHOST, what.client.c_str());
    pam_set_item(handle_, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&no_delay));
  }
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;
  ~conversation() {
    if (handle_ != nullptr) pam_end(handle_, status_);
  }

  verdict run() {
    constexpr int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
    if (status_ == PAM_SUCCESS) status_ = pam_authenticate(handle_, flags);
    if (status_ != PAM_SUCCESS) return {finding_of(status_), said()};
    status_ = pam_acct_mgmt(handle_, flags);
    return {finding_of_account(status_), said()};
  }

 private:
  std::string said() { return std::string("PAM: ") + pam_strerror(handle_, status_); }

  question about_;
  pam_conv talk_;
  pam_handle_t* handle_ = nullptr;
  int status_ = PAM_SYSTEM_ERR;
};

class pam_backend final : public password_backend {
 public:
  pam_backend(std::string service, blocking_gate& gate, std::string directory)
      : service_(std::move(service)), gate_(gate), directory_(std::move(directory)) {}

  net::task<verdict> check(std::string user, std::shared_ptr<const secret> password,
                           const channel& on) override {
    auto what = std::make_shared<job>();
    what->service = service_;
    what->directory = directory_;
    what->user = user;
    what->client = on.client.text();
    what->password = std::move(password);
    std::function<verdict()> work = [what] { return conversation(*what).run(); };
    what.reset();
    auto said = co_await gate_.run<verdict>(std::move(work));
    if (!said) co_return verdict(finding::unavailable, "too many logins at the same time");
    if (said->is == finding::right) said->who.user = std::move(user);
    co_return std::move(*said);
  }

 private:
  std::string service_;
  blocking_gate& gate_;
  std::string directory_;
};

}  // namespace

std::unique_ptr<password_backend> make_pam_backend(std::string service, blocking_gate& gate,
                                                   std::string directory) {
  return std::make_unique<pam_backend>(std::move(service), gate, std::move(directory));
}

}  // namespace relais::auth
