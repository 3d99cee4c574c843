#include "auth/password_chain.hpp"

namespace relais::auth {

namespace {
verdict no_thread() {
  return {finding::unavailable, "too many logins at the same time"};
}
}  // namespace

password_chain::password_chain(watched_users* users, blocking_gate& gate,
                               std::vector<std::unique_ptr<password_backend>> others)
    : users_(users), gate_(gate), others_(std::move(others)) {}

net::task<verdict> password_chain::check(std::string user, std::shared_ptr<const secret> password,
                                         const channel& on) {
  if (users_ != nullptr) {
    const auto table = users_->current();
    if (const auto* known = table->find(user)) {
      auto entry = *known;
      co_return co_await check_entry(std::move(entry), std::move(password));
    }
    if (others_.empty()) {
      const bool spent = co_await spend_the_time_of_a_hash(std::move(password));
      if (!spent) co_return no_thread();
      co_return verdict(finding::unknown, "no such user");
    }
  }
  co_return co_await ask_others(std::move(user), std::move(password), on);
}

net::task<verdict> password_chain::check_entry(user_entry entry,
                                               std::shared_ptr<const secret> password) {
  // An account that is shut may have no secret at all.
  const bool can_match = entry.has_secret();
  const bool is_weak = entry.hash.empty();
  const auto hash = can_match ? entry.hash : users_->current()->decoy();
  std::function<bool()> work = [hash, scram = entry.scram, password] {
    return hash.empty() ? password_matches(*password, *scram) : password_matches(*password, hash);
  };
  const auto matches = co_await gate_.run<bool>(std::move(work));
  if (!matches) co_return no_thread();
  if (!*matches || !can_match) co_return verdict(finding::wrong, "wrong password");
  if (entry.is_disabled) co_return verdict(finding::disabled, "the account is disabled");
  if (is_weak) co_return verdict(finding::too_weak, "the account has a SCRAM record only");
  co_return verdict(account{entry.user, entry.senders});
}

net::task<bool> password_chain::spend_the_time_of_a_hash(std::shared_ptr<const secret> password) {
  std::function<bool()> work = [hash = users_->current()->decoy(), password] {
    return password_matches(*password, hash);
  };
  // Whether a stranger has guessed the password of the decoy is of no interest.
  const auto matches = co_await gate_.run<bool>(std::move(work));
  co_return matches.has_value();
}

net::task<verdict> password_chain::ask_others(std::string user,
                                              std::shared_ptr<const secret> password,
                                              const channel& on) {
  verdict last(finding::unknown, "no such user");
  for (const auto& backend : others_) {
    auto said = co_await backend->check(user, password, on);
    if (said.is != finding::unknown && said.is != finding::unavailable) co_return said;
    // One that does not answer might have known the user: that is no "no".
    if (last.is != finding::unavailable) last = std::move(said);
  }
  co_return last;
}

}  // namespace relais::auth
