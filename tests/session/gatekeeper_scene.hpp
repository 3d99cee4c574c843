// A gatekeeper in the simulated world with a scripted DNS: ask a step, read the verdict as text.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "inbound/gatekeeper.hpp"
#include "inbound/shared_policy.hpp"
#include "support/fake_resolver.hpp"
#include "support/sim_disk.hpp"
#include "support/sim_world.hpp"

namespace relais::testing {

class notice_log final : public event_sink {
 public:
  void emit(const event& e) noexcept override {
    if (const auto* n = std::get_if<events::notice>(&e)) lines.emplace_back(n->text);
  }
  std::vector<std::string> lines;
};

/// "welcome", or "relay_denied argument [rule]".
inline std::string text_of(const inbound::verdict& v) {
  if (!v.is_refusal()) return "welcome";
  auto text = std::string(smtp::name_of(*v.refusal));
  if (!v.argument.empty()) text += " " + v.argument;
  return text + " [" + v.rule + "]";
}

struct gatekeeper_scene {
  gatekeeper_scene() { settings.policy.client_names = false; }
  ~gatekeeper_scene() { close(); }
  gatekeeper_scene(const gatekeeper_scene&) = delete;
  gatekeeper_scene& operator=(const gatekeeper_scene&) = delete;

  /// With the settings as they are now; read again behind a close().
  inbound::gatekeeper& keeper() {
    if (!shared) {
      shared = std::make_unique<inbound::shared_policy>(settings, here, memory, log);
      keeper_ = inbound::make_gatekeeper(settings, here, dns, *shared, log);
    }
    return *keeper_;
  }
  /// The daemon ends.
  void close() {
    if (keeper_) {
      keeper_->stop();
      run(keeper_->join(std::chrono::hours(1)));
    }
    keeper_.reset();
    shared.reset();
  }

  template <class T>
  T run(net::task<T> job) {
    std::optional<T> outcome;
    std::exception_ptr thrown;
    bool over = false;
    net::asio::co_spawn(world.io, std::move(job), [&](std::exception_ptr e, T value) {
      thrown = e;
      outcome = std::move(value);
      over = true;
    });
    world.run_until([&] { return over; }, std::chrono::hours(24));
    if (thrown) std::rethrow_exception(thrown);
    if (!over) throw std::runtime_error("the task did not end");
    return std::move(*outcome);
  }
  void pass_time(duration d) {
    const auto end = world.clock.elapsed + d;
    world.run_until([] { return false; }, d);
    world.clock.elapsed = end;
  }

  std::string connect() { return text_of(run(keeper().at_connect(client))); }
  std::string mail(std::string_view from) {
    sender = from.empty() ? smtp::path() : smtp::parse_address(from).value();
    if (!keeper().asks_at_mail(client)) return "not asked";
    return text_of(run(keeper().at_mail(client, sender)));
  }
  std::string rcpt(std::string_view to) {
    const auto recipient = smtp::parse_address(to).value();
    if (!keeper().asks_at_rcpt(client)) return "not asked";
    return text_of(run(keeper().at_rcpt(client, sender, recipient)));
  }
  void comes_from(const std::string& address) {
    client = inbound::client_facts{};
    client.address = *ip_address::parse(address);
    client.hello = "h.test";
  }

  sim_world world{1};
  fake_resolver dns;
  config::settings settings;
  notice_log log;
  inbound::state_file* memory = nullptr;
  const net::runtime& here = world.runtime(*ip_address::parse("203.0.113.1"));
  std::unique_ptr<inbound::shared_policy> shared;
  inbound::client_facts client;
  smtp::path sender;

 private:
  std::unique_ptr<inbound::gatekeeper> keeper_;
};

}  // namespace relais::testing
