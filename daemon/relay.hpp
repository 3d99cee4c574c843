// The composition root: builds every object of the relay in one world (real or simulated), owns
// them in the order of their dependencies, starts and drains. No logic, no singletons.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "auth/failure_book.hpp"
#include "base/event.hpp"
#include "config/settings.hpp"
#include "daemon/control.hpp"
#include "delivery/connection_slots.hpp"
#include "delivery/host_places.hpp"
#include "delivery/report_book.hpp"
#include "dns/resolver.hpp"
#include "http/server.hpp"
#include "inbound/server.hpp"
#include "inbound/shared_policy.hpp"
#include "inbound/state_file.hpp"
#include "net/descriptors.hpp"
#include "net/runtime.hpp"
#include "policy/relay_access.hpp"
#include "policy/reply_rules.hpp"
#include "policy/route.hpp"
#include "queue/memory_budget.hpp"
#include "queue/scheduler.hpp"
#include "queue/spool_gate.hpp"
#include "spool/store.hpp"
#include "tls/client_context.hpp"
#include "tls/server_context.hpp"

namespace relais::daemon {

/// Everything that touches time, network, DNS, disk or randomness. Outlives the relay.
struct world {
  std::vector<const net::runtime*> workers;
  std::vector<dns::resolver*> resolvers;         ///< for deliveries, of each worker
  std::vector<dns::resolver*> client_resolvers;  ///< for questions about clients, of each worker
  spool::disk* disk = nullptr;
  spool::runner* committer = nullptr;
  spool::runner* readers = nullptr;
  spool::runner* maintenance = nullptr;
  spool::runner* blocking = nullptr;  ///< password hashes, PAM: on any of a few threads
  net::descriptor_reserve* descriptors = nullptr;
  event_sink* events = nullptr;
  /// A job of `maintenance` may wait for a worker: they are threads.
  bool maintenance_may_wait = false;
};

class relay {
 public:
  /// `settings.hostname` is resolved already. Opens the spool; throws startup_error.
  relay(const config::settings& settings, world surroundings);
  ~relay();

  /// Hands a bound acceptor of settings.listeners[listener] to a worker; before start().
  void adopt(std::size_t worker, std::size_t listener, std::unique_ptr<net::acceptor> acceptor);
  /// A bound listener for /healthz and /readyz, on the first worker; before start().
  void adopt_http(std::unique_ptr<net::acceptor> listener);
  /// The operator's hand, on the first worker; `listener` null: nobody can ask it. Before start().
  void adopt_control(std::unique_ptr<net::acceptor> listener);
  /// Called once, before the workers' executors run. Mail is accepted from here on; deliveries
  /// begin, on all workers, when the spool has told what it held (docs/architecture.md).
  void start();
  /// On the first worker. Stops accepting, lets transactions finish, ends what is late, flushes the
  /// spool. False: hurry() cut it short.
  net::task<bool> shut_down();
  /// The last step of a stop, behind shut_down(), when no worker and no runner is at work any more.
  /// Blocks.
  void close();
  /// Behind shut_down(): nobody is left within. Else it must not be destroyed, nor what it was made
  /// of: who is left would end behind it.
  bool is_deserted() const noexcept { return is_deserted_; }
  /// Reads the certificates anew; "" or what is wrong, and the old ones stay. On the first worker.
  std::string reload_certificates();
  /// A second signal: nothing is waited for any more. On the first worker.
  void hurry();

 private:
  struct worker_parts;
  http::relay_state state() const;
  void load_tls();
  void load_texts();
  void load_rules();
  void load_certificates();
  void make_listeners();
  void make_worker(std::size_t number);
  std::vector<queue::schedule_of_worker> schedules() const;
  void make_deliveries(std::size_t number);
  bool is_own(const endpoint& to) const;
  void warn_of_certificates();
  spool::store_options store_options();
  void open_spool();
  // What was in the spool at the start: read on the maintenance runner, dealt out to the workers.
  void enumerate();
  void take(worker_parts& to, const std::vector<spool::stored_message>& found);
  void enumerated(const spool::recovery_report& report, std::uint64_t held);
  void enumeration_failed(error_code why);
  void begin_deliveries();
  void end_sessions();
  template <class F>
  void on_every_worker(F what);
  template <class F>
  net::task<bool> join_each(duration limit, F part);
  net::task<bool> join(duration limit);
  net::task<bool> end_lookups();
  net::task<void> flush();

  config::settings settings_;
  world world_;
  policy::relay_access access_;
  policy::routes routes_;
  std::unique_ptr<policy::reply_rules> rules_;
  queue::memory_budget budget_;
  queue_id_source ids_;
  std::atomic<std::uint64_t> connections_{0};
  tls::client_contexts client_tls_;  // of deliveries
  tls::context own_tls_;             // null: one of them serves
  SSL_CTX* tls_ = nullptr;           // of what asks about clients
  smtp::reply_texts texts_;
  std::unique_ptr<tls::server_certificates> certificates_;
  auth::failure_book failures_;
  std::unique_ptr<inbound::state_file> greylist_;
  std::unique_ptr<inbound::shared_policy> policy_;
  std::deque<inbound::shared_listener> listeners_;  // as in settings_.listeners
  std::unique_ptr<spool::store> store_;
  delivery::report_book reports_;
  delivery::connection_slots slots_;
  std::shared_ptr<delivery::host_places> host_places_;
  duration longest_wait_;  // between two attempts
  std::vector<std::unique_ptr<worker_parts>> workers_;
  std::vector<endpoint> own_endpoints_;  // does not change once deliveries have begun
  enum class index : std::uint8_t { reading, complete, failed } index_ = index::reading;
  std::atomic<std::size_t> dealt_{0};       // workers who have all of what was read
  std::atomic<std::int64_t> under_way_{0};  // batches on their way to workers
  net::condition index_changed_;
  std::unique_ptr<http::server> http_;
  std::unique_ptr<control> control_;
  bool draining_ = false;
  bool is_deserted_ = false;
  std::atomic<bool> hurried_{false};
};

}  // namespace relais::daemon
