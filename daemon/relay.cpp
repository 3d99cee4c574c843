#include "daemon/relay.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "auth/make_authenticator.hpp"
#include "base/error.hpp"
#include "daemon/exit_codes.hpp"

namespace relais::daemon {

using namespace std::chrono_literals;

// What each worker has of its own.
struct relay::worker_parts {
  worker_parts(const net::runtime& w, spool::store& store, spool::runner& readers,
               inbound::shared_policy& policy)
      : world(w), gate(store, readers, w), clients(policy, w) {}
  const net::runtime& world;
  queue::spool_gate gate;
  inbound::connection_book clients;
  std::unique_ptr<auth::authenticator> authenticator;
  std::unique_ptr<inbound::gatekeeper> keeper;
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

// How many messages of the spool are handed over at once: sessions are served in between.
constexpr std::size_t hand_over = 1000;

spool::store_options store_options(const config::spool_settings& s, random& randomness,
                                   std::function<void(const std::string&)> warn) {
  spool::store_options o;
  o.segment_size = s.segment_size.bytes;
  o.spare_segments = static_cast<std::size_t>(s.spare_segments);
  o.minimum_free_bytes = s.minimum_free.bytes;
  o.minimum_free_inodes = s.minimum_free_inodes;
  // A hard floor above the soft one would have no meaning.
  o.critical_free_bytes = std::min(s.critical_free, s.minimum_free).bytes;
  o.critical_free_inodes = std::min(s.critical_free_inodes, s.minimum_free_inodes);
  o.lazy_delay = s.state_delay;
  o.checkpoint_after = s.checkpoint_after.bytes;
  o.compaction_slack = s.compaction_slack.bytes;
  o.compaction_rate = s.compaction_rate.bytes;
  o.seed = randomness.next();
  o.warn = std::move(warn);
  return o;
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
      failures_(settings_.auth),
      scheduler_(*world_.workers.front(), routes_),
      index_changed_(world_.workers.front()->executor) {
  load_texts();
  load_certificates();
  make_listeners();
  open_spool();
  try {
    policy_ = std::make_unique<inbound::shared_policy>(settings_, *world_.workers.front(),
                                                       greylist_.get(), *world_.events);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::config, e.what());
  }
  for (std::size_t i = 0; i < world_.workers.size(); ++i) make_worker(i);
}

void relay::load_texts() {
  for (const auto& r : settings_.replies) {
    const auto id = smtp::find_reply(r.reply);
    const auto fault = id ? texts_.set(*id, r.text) : "there is no such reply, see docs/replies.md";
    if (fault.empty()) continue;
    const auto sentence = r.place.text() + ": replies." + r.reply + ": " + fault;
    throw startup_error(exit_code::config, sentence);
  }
}

void relay::load_certificates() {
  std::string why;
  certificates_ = tls::load_server_certificates(settings_.tls, world_.workers.front()->clock, why);
  if (!certificates_) throw startup_error(exit_code::config, why);
  warn_of_certificates();
}

void relay::warn_of_certificates() {
  for (const auto& sentence : certificates_->warnings()) {
    world_.events->emit(events::notice{"smtpd", true, sentence});
  }
}

std::string relay::reload_certificates() {
  auto fault = certificates_->reload();
  if (fault.empty()) warn_of_certificates();
  return fault;
}

void relay::make_listeners() {
  for (const auto& l : settings_.listeners) {
    auto profile = inbound::make_profile(settings_, l, !certificates_->is_empty());
    listeners_.emplace_back(std::move(profile));
  }
}

void relay::make_worker(std::size_t number) {
  const auto& w = *world_.workers[number];
  auto made = std::make_unique<worker_parts>(w, *store_, *world_.readers, *policy_);
  auto& resolver = *world_.client_resolvers[number];
  auth::surroundings around{w, resolver, tls_.get(), failures_, {}, {}};
  around.run = [blocking = world_.blocking](std::function<void()> job) {
    blocking->run(std::move(job));
  };
  around.warn = [events = world_.events](const std::string& sentence) {
    events->emit(events::notice{"smtpd", true, sentence});
  };
  made->authenticator = auth::make_authenticator(settings_.auth, std::move(around));
  made->keeper = inbound::make_gatekeeper(settings_, w, resolver, *policy_, *world_.events);
  inbound::session_context context{w,
                                   settings_,
                                   access_,
                                   texts_,
                                   *certificates_,
                                   made->authenticator.get(),
                                   *made->keeper,
                                   made->gate,
                                   budget_,
                                   ids_,
                                   *world_.events,
                                   connections_,
                                   {}};
  const bool owns_queue = number == 0;
  context.enqueue = [this, owns_queue](std::shared_ptr<queue::queued_message> message) {
    if (owns_queue) return schedule(std::move(message));
    net::asio::post(world_.workers.front()->executor,
                    [this, m = std::move(message)] { schedule(m); });
  };
  made->server = std::make_unique<inbound::server>(std::move(context), connections_, made->clients,
                                                   *world_.descriptors);
  workers_.push_back(std::move(made));
}

relay::~relay() = default;

void relay::open_spool() {
  const auto& first = *world_.workers.front();
  const spool::store_world surroundings{*world_.disk, *world_.committer, *world_.maintenance,
                                        first.clock};
  const auto warn = [events = world_.events](const std::string& sentence) {
    events->emit(events::notice{"spool", true, sentence});
  };
  std::string why;
  auto opened =
      spool::open_store(surroundings, store_options(settings_.spool, first.random, warn), why);
  if (!opened) {
    // A store that opens has written to the disk: nothing else says "writable".
    const auto error = opened.error();
    const auto sentence = "the spool " + settings_.spool.directory +
                          " cannot be opened: " + (why.empty() ? error.message() : why);
    if (error == errc::corrupt) throw startup_error(exit_code::software, sentence);
    const bool full_or_failing = error == errc::no_space || error == errc::io_error;
    throw startup_error(full_or_failing ? exit_code::io_error : exit_code::cannot_create, sentence);
  }
  store_ = std::move(opened->store);
  // Not before the spool is ours.
  if (settings_.policy.greylist.enabled) {
    greylist_ = inbound::make_state_file(*world_.disk, *world_.maintenance, "greylist", warn);
  }
  ids_.raise(opened->highest_id);
  const auto health = store_->has_room(0);
  if (health == spool::health::good) return;
  const auto sentence = "the spool " + settings_.spool.directory +
                        " cannot take mail: " + make_error_code(errc::no_space).message();
  // With mail in the queue the relay starts all the same: delivering it is what frees the disk.
  if (opened->highest_id == queue_id{}) throw startup_error(exit_code::io_error, sentence);
  world_.events->emit(events::notice{"qmgr", true, sentence + "; what is queued is delivered"});
}

void relay::enumerate() {
  const auto executor = world_.workers.front()->executor;
  std::vector<spool::stored_message> batch;
  const auto hand = [&] {
    net::asio::post(executor,
                    [this, found = std::exchange(batch, {})]() mutable { take(std::move(found)); });
  };
  auto report = store_->enumerate([&](spool::stored_message message) {
    batch.push_back(std::move(message));
    if (batch.size() >= hand_over) hand();
  });
  if (!report) {
    net::asio::post(executor, [this, why = report.error()] { enumeration_failed(why); });
    return;
  }
  hand();
  net::asio::post(executor, [this, r = std::move(*report)] { enumerated(r); });
}

void relay::take(std::vector<spool::stored_message> found) {
  const auto now = world_.workers.front()->clock.wall();
  // The jitter lengthens an interval at most twofold.
  const auto longest_wait = 2 * *std::ranges::max_element(settings_.retry.intervals);
  for (auto& message : found) {
    if (message.is_held) {
      ++held_;
      continue;
    }
    held_back_.push_back(queue::make_queued(std::move(message), now, longest_wait));
  }
}

void relay::enumerated(const spool::recovery_report& report) {
  for (const auto& sentence : report.damaged) {
    world_.events->emit(events::notice{"qmgr", true, sentence});
  }
  auto sentence = std::to_string(report.messages) +
                  (report.messages == 1 ? " message" : " messages") + " found in the spool";
  if (held_ > 0) sentence += ", " + std::to_string(held_) + " of them on hold";
  if (report.incomplete > 0) {
    sentence +=
        "; " + std::to_string(report.incomplete) + " writes that a stop had cut off dropped";
  }
  world_.events->emit(events::notice{"qmgr", false, sentence});
  index_ = index::complete;
  index_changed_.notify_all();
  schedule_held_back();
}

// New mail is accepted and delivered; what was there stays untouched for the next start.
void relay::enumeration_failed(error_code why) {
  const auto sentence = "the spool " + settings_.spool.directory +
                        " cannot be read: " + why.message() +
                        "; the mail that it held is NOT delivered until a restart reads it, new "
                        "mail is accepted and delivered";
  world_.events->emit(events::notice{"qmgr", true, sentence});
  index_ = index::failed;
  index_changed_.notify_all();
  held_back_.clear();
  schedule_held_back();
}

void relay::schedule(std::shared_ptr<queue::queued_message> fresh) {
  if (index_ == index::reading) {
    fresh_.push_back(std::move(fresh));
  } else {
    scheduler_.add(fresh);
  }
}

void relay::schedule_held_back() {
  held_back_.insert(held_back_.end(), fresh_.begin(), fresh_.end());
  fresh_.clear();
  for (auto left = std::min(hand_over, held_back_.size()); left > 0; --left) {
    scheduler_.add(held_back_.front());
    held_back_.pop_front();
  }
  if (held_back_.empty() || draining_) return;
  net::asio::post(world_.workers.front()->executor, [this] { schedule_held_back(); });
}

void relay::adopt(std::size_t worker, std::size_t listener,
                  std::unique_ptr<net::acceptor> acceptor) {
  if (acceptor->address().is != listen_address::kind::local) {
    own_endpoints_.push_back(acceptor->local());
  }
  workers_[worker]->server->adopt(std::move(acceptor), listeners_[listener]);
}

void relay::adopt_http(std::unique_ptr<net::acceptor> listener) {
  http_ = std::make_unique<http::server>(*world_.workers.front(), std::move(listener),
                                         [this] { return state(); });
}

http::relay_state relay::state() const {
  if (draining_) return {false, "shutting down"};
  switch (store_->has_room(0)) {
    case spool::health::good: break;
    case spool::health::full: return {false, "the spool's disk is full"};
    case spool::health::critical: return {false, "the spool's disk is full to the last reserve"};
    case spool::health::failed: return {false, "the spool's disk is failing"};
  }
  // While it is still being read, mail is taken already.
  if (index_ == index::failed) return {false, "the spool could not be read at the start"};
  return {true, ""};
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
  world_.maintenance->run([this] { enumerate(); });
  for (const auto& w : workers_) w->server->start();
  if (http_) http_->start();
}

void relay::hurry() {
  hurried_ = true;
  index_changed_.notify_all();
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

// What was asked about clients that are gone.
net::task<void> relay::end_lookups() {
  for (const auto& w : workers_) {
    w->keeper->stop();
    auto joined = w->keeper->join(10s);
    const auto& executor = w->world.executor;
    co_await net::asio::co_spawn(executor, std::move(joined), net::asio::use_awaitable);
  }
  policy_->flush();
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
  co_await end_lookups();
  // Last, so that probes see the drain.
  if (http_) {
    http_->stop();
    co_await http_->join(10s);
  }
  while (index_ == index::reading && !hurried_) co_await index_changed_.wait();
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

void relay::close() {
  // What is not known must not become the truth of the next start.
  if (index_ == index::complete) store_->close();
}

}  // namespace relais::daemon
