#include "inbound/server.hpp"

#include "base/error.hpp"

namespace relais::inbound {

using namespace std::chrono_literals;

server::server(session_context context, std::atomic<std::uint64_t>& connections)
    : context_(std::move(context)),
      connections_(connections),
      sessions_(context_.world, [this](const std::string& label, const std::string& what) {
        context_.events.emit(events::notice{"smtpd", true, label + ": " + what});
      }) {}

void server::start() {
  for (auto& listener : listeners_) {
    sessions_.spawn("listener " + listener->local().text(), accept_from(*listener));
  }
}

void server::drain() {
  draining_ = true;
  for (auto& listener : listeners_) listener->close();
  for (auto* s : live_) s->drain();
}

net::task<void> server::accept_from(net::acceptor& listener) {
  bool told = false;
  while (!draining_) {
    auto accepted = co_await listener.accept();
    if (accepted) {
      told = false;
      const auto label = "session of " + accepted->remote.text();
      sessions_.spawn(label, run(std::move(*accepted)));
      continue;
    }
    if (accepted.error() == errc::cancelled) co_return;
    // Out of descriptors or memory: the connection stays in the kernel's line, trying on at once
    // would only burn the processor.
    if (!told) {
      events::notice n;
      n.component = "smtpd";
      const auto why = "cannot accept connections: " + accepted.error().message();
      n.text = why;
      context_.events.emit(n);
      told = true;
    }
    co_await net::sleep_for(context_.world, 100ms);
  }
}

net::task<void> server::run(net::accepted_connection accepted) {
  const auto& limits = context_.settings.limits;
  session s(context_, std::move(accepted));
  // Leaves the books however the session ends, also by cancellation.
  struct entry {
    server& owner;
    std::list<session*>::iterator at;
    ip_address client;
    ~entry() {
      owner.live_.erase(at);
      --owner.connections_;
      const auto found = owner.per_client_.find(client);
      if (--found->second == 0) owner.per_client_.erase(found);
    }
  };
  live_.push_back(&s);
  const entry booked{*this, std::prev(live_.end()), s.client().address};
  const auto total = ++connections_;
  const auto of_client = ++per_client_[s.client().address];
  std::optional<smtp::reply_id> refusal;
  // Trusted clients are exempt from the limit per client: a LAN behind one address, a busy
  // application.
  const bool too_many_of_one =
      of_client > limits.connections_per_client && !context_.access.is_trusted(s.client().address);
  if (total > limits.connections || too_many_of_one) {
    refusal = smtp::reply_id::too_many_connections;
  }
  if (context_.gate.has_room(0) == spool::health::critical) {
    refusal = smtp::reply_id::storage_exhausted;
  }
  if (draining_) refusal = smtp::reply_id::draining;
  co_await s.serve(refusal);
}

}  // namespace relais::inbound
