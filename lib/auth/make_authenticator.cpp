#include "auth/make_authenticator.hpp"

#include <algorithm>
#include <array>

#include "auth/dovecot.hpp"
#include "auth/login.hpp"
#include "auth/pam.hpp"
#include "auth/password_chain.hpp"
#include "auth/scram.hpp"
#include "auth/tokens.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

enum class method : std::uint8_t {
  scram_plus,
  scram,
  plain,
  login,
  oauthbearer,
  xoauth2,
  external
};

struct named_method {
  std::string_view name;
  method is;
};
constexpr std::array methods{
    named_method{"SCRAM-SHA-256-PLUS", method::scram_plus},
    named_method{"SCRAM-SHA-256", method::scram},
    named_method{"PLAIN", method::plain},
    named_method{"LOGIN", method::login},
    named_method{"OAUTHBEARER", method::oauthbearer},
    named_method{"XOAUTH2", method::xoauth2},
    named_method{"EXTERNAL", method::external},
};

const named_method* find_method(std::string_view name) noexcept {
  const auto found =
      std::ranges::find_if(methods, [&](const auto& m) { return iequals(m.name, name); });
  return found == methods.end() ? nullptr : &*found;
}

bool has_binding(const channel& on) noexcept {
  return on.is_tls && !(on.tls_exporter.empty() && on.tls_end_point.empty());
}

class configured_authenticator final : public authenticator {
 public:
  configured_authenticator(const config::auth_settings& settings, surroundings around);
  std::vector<std::string_view> mechanisms(const channel& on) const override;
  std::unique_ptr<auth::login> begin(std::string_view name, const channel& on) override;

 private:
  bool is_usable(method which, const channel& on) const;
  bool is_announced(method which, const channel& on) const;
  std::unique_ptr<mechanism> make_mechanism(method which, const channel& on);
  scram_options options_of_scram(method which, const channel& on);
  std::vector<std::unique_ptr<password_backend>> other_backends();

  config::auth_settings settings_;
  surroundings around_;
  std::vector<const named_method*> configured_;
  std::unique_ptr<watched_users> users_;
  blocking_gate gate_;
  password_chain passwords_;
  std::unique_ptr<token_backend> tokens_;
};

configured_authenticator::configured_authenticator(const config::auth_settings& settings,
                                                   surroundings around)
    : settings_(settings),
      around_(std::move(around)),
      users_(settings_.users_file.empty()
                 ? nullptr
                 : std::make_unique<watched_users>(settings_.users_file, around_.world.clock,
                                                   around_.warn)),
      gate_(around_.run, around_.world.executor),
      passwords_(users_.get(), gate_, other_backends()),
      tokens_(make_token_backend(settings_.tokens, around_)) {
  for (const auto& name : settings_.mechanisms) {
    const auto* known = find_method(name);
    if (known != nullptr && std::ranges::find(configured_, known) == configured_.end()) {
      configured_.push_back(known);
    }
  }
  if (users_) users_->current();
}

std::vector<std::unique_ptr<password_backend>> configured_authenticator::other_backends() {
  std::vector<std::unique_ptr<password_backend>> made;
  if (!settings_.pam_service.empty()) {
    made.push_back(make_pam_backend(settings_.pam_service, gate_));
  }
  if (!settings_.dovecot_socket.empty()) {
    made.push_back(make_dovecot_backend(settings_.dovecot_socket, around_.world));
  }
  return made;
}

bool configured_authenticator::is_usable(method which, const channel& on) const {
  const bool may_be_read = on.is_tls || settings_.without_tls;
  switch (which) {
    case method::plain:
    case method::login: return may_be_read && !passwords_.is_empty();
    case method::oauthbearer:
    case method::xoauth2: return may_be_read && tokens_ != nullptr;
    case method::external: return on.is_tls && !on.certificate_user.empty();
    case method::scram_plus:
      if (!has_binding(on)) return false;
      break;
    case method::scram: break;
  }
  // A client that prefers SCRAM does not fall back: it must work for everybody who has a password.
  return users_ && !passwords_.has_others() && users_->current()->all_have_scram();
}

bool configured_authenticator::is_announced(method which, const channel& on) const {
  return is_usable(which, on) &&
         std::ranges::any_of(configured_, [&](const auto* m) { return m->is == which; });
}

std::vector<std::string_view> configured_authenticator::mechanisms(const channel& on) const {
  std::vector<std::string_view> names;
  for (const auto* m : configured_) {
    if (is_usable(m->is, on)) names.push_back(m->name);
  }
  return names;
}

scram_options configured_authenticator::options_of_scram(method which, const channel& on) {
  scram_options options;
  options.plus = which == method::scram_plus;
  options.binding_offered = is_announced(method::scram_plus, on);
  options.tls_exporter = on.tls_exporter;
  options.tls_end_point = on.tls_end_point;
  options.nonce = base64_encode(random_octets(18));
  options.find = [this](std::string_view user) {
    const auto table = users_->current();
    const auto* known = table->find(std::string(user));
    if (known != nullptr && known->scram) return *known->scram;
    scram_record made_up{table->scram_iterations(), around_.failures.salt_of_nobody(user),
                         random_octets(32), random_octets(32)};
    return made_up;
  };
  return options;
}

std::unique_ptr<mechanism> configured_authenticator::make_mechanism(method which,
                                                                    const channel& on) {
  switch (which) {
    case method::scram_plus:
    case method::scram: return make_scram(options_of_scram(which, on));
    case method::plain: return make_plain();
    case method::login: return make_login();
    case method::oauthbearer: return make_oauthbearer();
    case method::xoauth2: return make_xoauth2();
    case method::external: break;
  }
  return make_external(on.certificate_user);
}

std::unique_ptr<login> configured_authenticator::begin(std::string_view name, const channel& on) {
  const auto* known = find_method(name);
  // One that is not usable refuses whatever is said: EXTERNAL without a certificate.
  auto how = known != nullptr && is_announced(known->is, on) ? make_mechanism(known->is, on)
                                                             : make_external("");
  login_parts parts;
  parts.time = &around_.world.clock;
  parts.failures = &around_.failures;
  parts.users = users_.get();
  parts.passwords = &passwords_;
  parts.tokens = tokens_.get();
  return std::make_unique<sasl_login>(parts, std::move(how), on);
}

}  // namespace

std::unique_ptr<authenticator> make_authenticator(const config::auth_settings& settings,
                                                  surroundings around) {
  return std::make_unique<configured_authenticator>(settings, std::move(around));
}

}  // namespace relais::auth
