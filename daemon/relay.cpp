#include "daemon/relay.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "auth/make_authenticator.hpp"
#include "base/error.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/relay_worker.hpp"

namespace relais::daemon {
namespace {

tls::client_contexts delivery_contexts(const policy::routes& routes) {
  try {
    return delivery::client_contexts_of(routes);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::config, e.what());
  }
}

// The jitter lengthens an interval at most twofold.
duration longest_wait(const policy::routes& routes) {
  duration longest{0};
  for (const auto& route : routes.all()) {
    for (const auto interval : route->retry.intervals) longest = std::max(longest, interval);
  }
  return 2 * longest;
}

}  // namespace

relay::relay(const config::settings& settings, world surroundings)
    : settings_(settings),
      world_(std::move(surroundings)),
      access_(settings_.relay),
      routes_(settings_),
      budget_(settings_.limits.memory.bytes),
      client_tls_(delivery_contexts(routes_)),
      failures_(settings_.auth),
      reports_(settings_),
      slots_(settings_.delivery.concurrency),
      host_places_(
          std::make_shared<delivery::host_places>(settings_.delivery.concurrency_per_host)),
      longest_wait_(longest_wait(routes_)),
      index_changed_(world_.workers.front()->executor) {
  load_tls();
  load_texts();
  load_rules();
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
  for (std::size_t i = 0; i < world_.workers.size(); ++i) make_deliveries(i);
}

// Reading the system's certificates takes long: once, if that can be.
void relay::load_tls() {
  tls::client_files files;
  files.ca_file = settings_.delivery.tls_ca_file;
  tls_ = client_tls_.find(files);
  if (tls_ != nullptr) return;
  try {
    own_tls_ = tls::make_client_context(files.ca_file);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::config, e.what());
  }
  tls_ = own_tls_.get();
}

void relay::load_rules() {
  try {
    rules_ = std::make_unique<policy::reply_rules>(settings_.reply_rules);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::config, e.what());
  }
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
  auto made = std::make_unique<worker_parts>(w, *store_, *world_.readers, *policy_, routes_);
  auto& resolver = *world_.client_resolvers[number];
  auth::surroundings around{w, resolver, tls_, failures_, {}, {}};
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
  context.enqueue = [&parts = *made](const auto& message) { parts.dispatcher->add(message); };
  made->server = std::make_unique<inbound::server>(std::move(context), connections_, made->clients,
                                                   *world_.descriptors);
  workers_.push_back(std::move(made));
}

std::vector<queue::schedule_of_worker> relay::schedules() const {
  std::vector<queue::schedule_of_worker> all;
  for (const auto& other : workers_) {
    queue::schedule_of_worker schedule;
    schedule.world = &other->world;
    schedule.scheduler = &other->scheduler;
    all.push_back(schedule);
  }
  return all;
}

// Each worker delivers to the destinations that it owns; the others hand it their jobs.
void relay::make_deliveries(std::size_t number) {
  auto& w = *workers_[number];
  w.dispatcher = std::make_unique<queue::dispatcher>(number, schedules(), routes_);
  w.hosts = std::make_unique<delivery::connections>(delivery::connections_world{
      w.world, settings_, routes_, client_tls_, *world_.resolvers[number], *world_.events,
      [this](const endpoint& to) { return is_own(to); }, host_places_});
  w.settler = std::make_unique<delivery::settler>(
      delivery::settler_world{w.world, settings_, w.gate, ids_, budget_, reports_, *world_.events,
                              [&w](const auto& report) { w.dispatcher->add(report); }});
  w.engine = std::make_unique<delivery::engine>(delivery::engine_world{
      w.world, settings_, routes_, *rules_, w.scheduler, *w.dispatcher, w.gate, *w.hosts,
      *w.settler, budget_, slots_, workers_.size(), *world_.events});
}

/// We listen there: mail would come back.
bool relay::is_own(const endpoint& to) const {
  const auto& network = world_.workers.front()->network;
  return std::ranges::any_of(own_endpoints_, [&](const endpoint& mine) {
    if (mine.port != to.port) return false;
    if (mine.address == to.address) return true;
    return mine.address.is_unspecified() && network.is_own_address(to.address);
  });
}

relay::~relay() = default;

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

void relay::adopt_control(std::unique_ptr<net::acceptor> listener) {
  auto& first = *workers_.front();
  delivery::operator_world around{
      schedules(),
      *store_,
      *world_.readers,
      routes_,
      *first.dispatcher,
      first.gate,
      *first.settler,
      *world_.events,
      longest_wait_,
      [this] { return index_ == index::reading ? "the spool is still being read" : ""; },
      [this] { return state().reason; },
      [this] { return connections_.load(); },
      [this] { return slots_.in_use(); },
      {}};
  control_ = std::make_unique<control>(std::move(around), *world_.disk, *world_.maintenance,
                                       std::move(listener));
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

void relay::start() {
  world_.maintenance->run([this] { enumerate(); });
  for (const auto& w : workers_) w->server->start();
  if (http_) http_->start();
  if (control_) control_->start();
}

}  // namespace relais::daemon
