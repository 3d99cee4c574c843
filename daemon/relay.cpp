#include "daemon/relay.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.hpp"
#include "daemon/exit_codes.hpp"

namespace relais::daemon {

using namespace std::chrono_literals;

// What each worker has of its own.
struct relay::worker_parts {
  worker_parts(const net::runtime& w, spool::store& store, spool::runner& readers)
      : world(w), gate(store, readers, w) {}
  const net::runtime& world;
  queue::spool_gate gate;
  std::unique_ptr<inbound::server> server;
};

namespace {

policy::retry_schedule schedule_of(const config::retry_settings& s) {
  policy::retry_schedule r;
  r.intervals = s.intervals;
  r.jitter_percent = static_cast<unsigned>(s.jitter);
  r.lifetime = s.queue_lifetime;
  r.bounce_lifetime = s.bounce_lifetime;
  return r;
}

smtp::tls_level level_of(config::tls_choice choice) {
  switch (choice) {
    case config::tls_choice::none: return smtp::tls_level::none;
    case config::tls_choice::may: return smtp::tls_level::may;
    case config::tls_choice::encrypt: return smtp::tls_level::encrypt;
    case config::tls_choice::verify: return smtp::tls_level::verify;
  }
  return smtp::tls_level::verify;
}

tls::context client_context(const config::settings& settings) {
  try {
    return tls::make_client_context(settings.delivery.tls_ca_file);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::config, e.what());
  }
}

}  // namespace

relay::relay(const config::settings& settings, world surroundings)
    : settings_(settings),
      world_(std::move(surroundings)),
      access_(settings_.relay),
      routes_(settings_),
      budget_(settings_.limits.memory.bytes),
      tls_(client_context(settings_)),
      scheduler_(*world_.workers.front(), routes_) {
  open_spool();
  for (const auto* w : world_.workers) {
    workers_.push_back(std::make_unique<worker_parts>(*w, *store_, *world_.readers));
    inbound::session_context context{*w,      settings_, access_,        workers_.back()->gate,
                                     budget_, ids_,      *world_.events, {}};
    const bool owns_queue = w == world_.workers.front();
    context.enqueue = [this, owns_queue](std::shared_ptr<queue::queued_message> message) {
      if (owns_queue) return scheduler_.add(message);
      net::asio::post(world_.workers.front()->executor,
                      [this, m = std::move(message)] { scheduler_.add(m); });
    };
    workers_.back()->server = std::make_unique<inbound::server>(std::move(context), connections_);
  }
}

relay::~relay() = default;

void relay::open_spool() {
  spool::store_options options;
  options.minimum_free_bytes = settings_.spool.minimum_free.bytes;
  options.minimum_free_inodes = settings_.spool.minimum_free_inodes;
  spool::recovery_report report;
  const auto now = world_.workers.front()->clock.wall();
  // The jitter lengthens an interval at most twofold.
  const auto longest_wait = 2 * *std::ranges::max_element(settings_.retry.intervals);
  const auto found = [this, now, longest_wait](spool::recovered_message message) {
    ids_.raise(message.id);
    recovered_.push_back(queue::make_queued(std::move(message), now, longest_wait));
  };
  auto opened = spool::open_store(*world_.disk, *world_.committer, options, found, report);
  for (const auto& sentence : report.damaged) {
    world_.events->emit(events::notice{"qmgr", true, sentence});
  }
  if (!opened) {
    const auto why = report.damaged.empty() ? opened.error().message() : report.damaged.back();
    throw startup_error(opened.error() == errc::corrupt ? exit_code::software : exit_code::io_error,
                        "the spool " + settings_.spool.directory + " cannot be opened: " + why);
  }
  store_ = std::move(*opened);
  probe_spool();
}

void relay::probe_spool() {
  // Nothing says "writable" like a write. What a crash leaves of it is cleared by the next
  // recovery.
  constexpr std::string_view name = "incoming/probe.tmp";
  error_code error;
  if (auto file = world_.disk->open(name, spool::open_mode::create_new); file) {
    const std::string block(4096, '\n');
    const std::string_view parts[] = {block};
    error = (*file)->write_at(0, parts);
    if (!error) error = (*file)->sync();
    world_.disk->remove(name);
  } else {
    error = file.error();
  }
  if (!error && store_->has_room(0) == spool::health::full) error = errc::no_space;
  if (!error) return;
  const auto sentence =
      "the spool " + settings_.spool.directory + " cannot take mail: " + error.message();
  // With mail in the queue the relay starts all the same: delivering it is what frees the disk.
  if (error == errc::no_space && !recovered_.empty()) {
    world_.events->emit(events::notice{"qmgr", true, sentence + "; what is queued is delivered"});
    return;
  }
  const bool full_or_failing = error == errc::no_space || error == errc::io_error;
  throw startup_error(full_or_failing ? exit_code::io_error : exit_code::cannot_create, sentence);
}

void relay::adopt(std::size_t worker, std::unique_ptr<net::acceptor> listener) {
  own_endpoints_.push_back(listener->local());
  workers_[worker]->server->adopt(std::move(listener));
}

void relay::adopt_http(std::unique_ptr<net::acceptor> listener) {
  http_ = std::make_unique<http::server>(*world_.workers.front(), std::move(listener),
                                         [this] { return state(); });
}

http::relay_state relay::state() const {
  if (draining_) return {false, "shutting down"};
  switch (store_->has_room(0)) {
    case spool::health::good: return {true, ""};
    case spool::health::full: return {false, "the spool's disk is full"};
    case spool::health::failed: return {false, "the spool's disk is failing"};
  }
  return {false, "unknown state"};
}

delivery::engine_options relay::engine_options(const std::vector<endpoint>& own) const {
  const auto& d = settings_.delivery;
  delivery::engine_options o;
  o.session.hostname = settings_.hostname;
  o.session.tls = level_of(d.tls);
  o.session.tls_context = tls_.get();
  o.session.timeouts = settings_.client_timeout;
  if (!settings_.smarthost.username.empty()) {
    o.session.login.emplace(settings_.smarthost.username, settings_.smarthost.password);
    // Credentials never travel in clear.
    if (o.session.tls == smtp::tls_level::may) o.session.tls = smtp::tls_level::encrypt;
  }
  o.connections = d.concurrency;
  o.connections_per_destination = d.concurrency_per_destination;
  o.hosts.own_name = settings_.hostname;
  const auto& network = world_.workers.front()->network;
  o.is_own = [own, &network](const endpoint& to) {
    for (const auto& e : own) {
      if (e.port != to.port) continue;
      if (e.address == to.address) return true;
      if (e.address.is_unspecified() && network.is_own_address(to.address)) return true;
    }
    return false;
  };
  o.hosts.is_allowed = [allowed = d.allowed_special_networks](const ip_address& a) {
    if (!a.is_special()) return true;
    for (const auto& n : allowed)
      if (n.contains(a)) return true;
    return false;
  };
  o.hosts.ipv4 = d.ipv4;
  o.hosts.ipv6 = d.ipv6;
  return o;
}

void relay::start() {
  const auto& first = *workers_.front();
  settler_ = std::make_unique<delivery::settler>(
      first.world, settings_.hostname, schedule_of(settings_.retry), scheduler_,
      workers_.front()->gate, ids_, budget_, *world_.events);
  engine_ = std::make_unique<delivery::engine>(first.world, engine_options(own_endpoints_),
                                               *world_.resolver, scheduler_, workers_.front()->gate,
                                               *settler_, budget_, *world_.events);
  for (const auto& message : recovered_) scheduler_.add(message);
  recovered_.clear();
  recovered_.shrink_to_fit();
  for (const auto& w : workers_) w->server->start();
  if (http_) http_->start();
}

void relay::hurry() {
  hurried_ = true;
  end_sessions();
}

void relay::end_sessions() {
  engine_->stop();
  for (const auto& w : workers_) {
    net::asio::post(w->world.executor, [server = w->server.get()] { server->stop(); });
  }
}

net::task<bool> relay::join(duration limit) {
  const auto& clock = world_.workers.front()->clock;
  const auto deadline = clock.now() + limit;
  const auto left = [&] { return std::max<duration>(duration{0}, deadline - clock.now()); };
  bool all = true;
  for (const auto& w : workers_) {
    auto joined = w->server->join(left());
    const auto& executor = w->world.executor;
    all =
        co_await net::asio::co_spawn(executor, std::move(joined), net::asio::use_awaitable) && all;
  }
  co_return co_await engine_->join(left()) && all;
}

net::task<bool> relay::shut_down() {
  const auto& first = *world_.workers.front();
  draining_ = true;
  engine_->drain();
  for (const auto& w : workers_) {
    net::asio::post(w->world.executor, [server = w->server.get()] { server->drain(); });
  }
  const auto patience = hurried_ ? duration{0} : settings_.server_timeout.shutdown;
  if (!co_await join(patience)) {
    // Too late: end what is left. Nothing is lost by that, the spool has it all.
    const auto left = std::to_string(engine_->connections()) + " deliveries and " +
                      std::to_string(connections_.load()) + " sessions";
    const auto sentence = left + " did not end in time and are cut off";
    world_.events->emit(events::notice{"master", true, sentence});
    end_sessions();
    co_await join(10s);
  }
  // Last, so that probes see the drain.
  if (http_) {
    http_->stop();
    co_await http_->join(10s);
  }
  net::condition flushed(first.executor);
  bool done = false;
  store_->flush([&, executor = first.executor](error_code) {
    net::asio::post(executor, [&] {
      done = true;
      flushed.notify_all();
    });
  });
  while (!done) co_await flushed.wait();
  co_return !hurried_;
}

}  // namespace relais::daemon
