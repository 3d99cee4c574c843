#include "auth/tokens.hpp"

#include "auth/introspection.hpp"
#include "auth/jwt.hpp"
#include "auth/watched_file.hpp"

namespace relais::auth {
namespace {

class tokens final : public token_backend {
 public:
  tokens(const config::token_settings& settings, const surroundings& around)
      : settings_(settings),
        clock_(around.world.clock),
        warn_(around.warn),
        keys_file_(settings.jwt_keys_file, clock_) {
    if (!settings_.introspection_url.empty()) {
      introspection_ =
          make_introspection(settings_, around.world, around.resolver, around.client_tls);
    }
    refresh();
  }

  net::task<verdict> check(std::shared_ptr<const secret> token) override {
    refresh();
    verdict said(finding::unknown, "token: of no kind that is accepted");
    if (looks_like_jwt(token->text())) {
      said = check_jwt(token->text(), keys_, settings_, clock_.wall());
    }
    if (said.is != finding::unknown || !introspection_) co_return said;
    co_return co_await introspection_->check(std::move(token));
  }

 private:
  void refresh() {
    if (settings_.jwt_keys_file.empty()) return;
    const auto read = keys_file_.changed();
    if (!read) return;
    std::vector<std::string> complaints;
    if (!read->error.empty()) {
      complaints.push_back(read->error);
    } else {
      keys_ = jwt_keys::parse(read->text, complaints);
    }
    for (const auto& what : complaints) warn_(settings_.jwt_keys_file + ": " + what);
  }

  config::token_settings settings_;
  const clock& clock_;
  std::function<void(std::string)> warn_;
  watched_file keys_file_;
  jwt_keys keys_;
  std::unique_ptr<token_backend> introspection_;
};

}  // namespace

std::unique_ptr<token_backend> make_token_backend(const config::token_settings& settings,
                                                  const surroundings& around) {
  auto used = settings;
  const auto url = parse_http_url(used.introspection_url);
  if (!used.introspection_url.empty() && (!url || (url->is_tls && around.client_tls == nullptr))) {
    around.warn("auth.tokens.introspection_url " + used.introspection_url +
                " is not used: it is no http(s)://host[:port]/path");
    used.introspection_url.clear();
  }
  if (used.introspection_url.empty() && used.jwt_keys_file.empty()) return nullptr;
  return std::make_unique<tokens>(used, around);
}

}  // namespace relais::auth
