// What each worker of the relay has of its own. Internal to relay*.cpp.
#pragma once

#include <memory>

#include "auth/authenticator.hpp"
#include "daemon/relay.hpp"
#include "delivery/engine.hpp"

namespace relais::daemon {

struct relay::worker_parts {
  worker_parts(const net::runtime& w, spool::store& store, spool::runner& readers,
               inbound::shared_policy& policy, const policy::routes& routes)
      : world(w), gate(store, readers, w), clients(policy, w), scheduler(w, routes, store) {}
  const net::runtime& world;
  queue::spool_gate gate;
  inbound::connection_book clients;
  std::unique_ptr<auth::authenticator> authenticator;
  std::unique_ptr<inbound::gatekeeper> keeper;
  std::unique_ptr<inbound::server> server;
  queue::scheduler scheduler;
  std::unique_ptr<queue::dispatcher> dispatcher;
  std::unique_ptr<delivery::connections> hosts;
  std::unique_ptr<delivery::settler> settler;
  std::unique_ptr<delivery::engine> engine;
};

}  // namespace relais::daemon
