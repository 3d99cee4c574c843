// What policy counts and remembers for all workers together: rates, connections per client, the
// greylist. It lives on the first worker; gatekeepers and connection books of the others bring
// their questions there and carry the answers home. A question is plain code that does not wait.
#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event.hpp"
#include "config/settings.hpp"
#include "inbound/gatekeeper.hpp"
#include "inbound/state_file.hpp"
#include "net/runtime.hpp"
#include "policy/access_rules.hpp"
#include "policy/greylist.hpp"
#include "policy/rate_limits.hpp"
#include "smtp/path.hpp"

namespace relais::inbound {

class shared_policy {
 public:
  /// `first`: of the worker that it lives on. `memory` keeps the greylist, and is read here; null:
  /// it is forgotten at the end. Throws std::runtime_error if the files of rules hold mistakes, a
  /// line for each.
  shared_policy(const config::settings& settings, const net::runtime& first, state_file* memory,
                event_sink& events);
  ~shared_policy();
  shared_policy(const shared_policy&) = delete;
  shared_policy& operator=(const shared_policy&) = delete;

  // On any worker: these never change.
  const policy::access_rules& rules() const noexcept { return rules_; }
  bool limits(config::rate_of what, const ip_address& client) const noexcept {
    return rates_.concern(what, client);
  }
  bool has_greylist() const noexcept { return greylist_.has_value(); }
  bool counts_connections() const noexcept { return per_client_ != 0 || per_network_ != 0; }

  /// Asks on the first worker, from any one. Only this waits.
  template <class T>
  net::task<T> ask(const net::runtime& here, std::function<T(shared_policy&)> question);

  // On the first worker only, by way of ask().
  /// Rates; counts the connection if they allow it.
  verdict connection(const ip_address& client);
  verdict message(const policy::rate_subject& who);
  /// Rates and, if `sender` and `recipient` are given, the greylist.
  verdict recipient(const policy::rate_subject& who, const smtp::path* sender,
                    const smtp::path* recipient);
  std::optional<smtp::reply_id> admit(const ip_address& client);
  void leave(const ip_address& client);
  /// What is remembered goes to the file now; to be called before the end.
  void flush();

  const net::asio::any_io_executor& executor() const noexcept { return first_.executor; }

 private:
  void open_greylist(const config::greylist_settings& settings);
  void save_soon();

  const net::runtime& first_;
  event_sink& events_;
  state_file* memory_;
  std::uint64_t per_client_, per_network_;
  policy::access_rules rules_;
  policy::rate_limits rates_;
  std::optional<policy::greylist> greylist_;
  std::unique_ptr<net::alarm> saving_;
  bool is_saving_ = false;
  std::map<ip_address, std::uint64_t> of_client_, of_network_;  // connections
};

/// How many connections a client and its network have, on all workers. One for each worker.
class connection_book {
 public:
  connection_book(shared_policy& shared, const net::runtime& here) : shared_(shared), here_(here) {}
  /// None: it is counted, until leave(), which is called exactly once. Else the refusal, and it is
  /// not counted.
  net::task<std::optional<smtp::reply_id>> admit(ip_address client);
  void leave(const ip_address& client);

 private:
  shared_policy& shared_;
  const net::runtime& here_;
};

template <class T>
net::task<T> shared_policy::ask(const net::runtime& here,
                                std::function<T(shared_policy&)> question) {
  if (here.executor == first_.executor) co_return question(*this);
  // Not co_spawn() on the other executor: a session that is cancelled meanwhile must leave nothing
  // behind there (asio#1332).
  struct errand {
    explicit errand(const net::asio::any_io_executor& home) : back(home) {}
    net::condition back;
    std::optional<T> answer;
  };
  const auto home = here.executor;
  const auto out = std::make_shared<errand>(home);
  net::asio::post(first_.executor, [this, home, it = out, q = std::move(question)]() mutable {
    auto answer = q(*this);
    net::asio::post(home, [out = std::move(it), a = std::move(answer)]() mutable {
      out->answer.emplace(std::move(a));
      out->back.notify_all();
    });
  });
  while (!out->answer) co_await out->back.wait();
  co_return std::move(*out->answer);
}

}  // namespace relais::inbound
