#include "support/delivery_scene.hpp"

#include <boost/asio/post.hpp>
#include <map>
#include <stdexcept>

#include "delivery/report_book.hpp"

namespace relais::testing {

using namespace std::chrono_literals;

namespace {
// No route of a test names files of its own. Once: to read the system's certificates takes long.
const tls::client_contexts& contexts() {
  static const auto made = delivery::client_contexts_of(policy::routes(config::settings()));
  return made;
}
}  // namespace

struct delivery_scene::parts {
  struct worker {
    worker(const net::runtime& w, spool::store& store, spool::runner& readers,
           const policy::routes& routes)
        : gate(store, readers, w), scheduler(w, routes, store) {}
    queue::spool_gate gate;
    queue::scheduler scheduler;
    std::unique_ptr<queue::dispatcher> dispatcher;
    std::unique_ptr<delivery::connections> hosts;
    std::unique_ptr<delivery::settler> settler;
    std::unique_ptr<delivery::engine> engine;
  };
  // What is durable goes to the dispatcher, as a session does it.
  struct durable final : spool::completion_sink {
    void complete(std::vector<spool::completion> batch) override {
      for (const auto& c : batch) {
        auto node = waiting.extract(c.token);
        net::asio::post(executor, std::move(node.mapped()));
      }
    }
    net::asio::any_io_executor executor;
    std::map<std::uint64_t, std::function<void()>> waiting;
    std::uint64_t last = 0;
  };

  explicit parts(const config::settings& settings)
      : routes(settings),
        rules(settings.reply_rules),
        reports(settings),
        slots(settings.delivery.concurrency) {}
  policy::routes routes;
  policy::reply_rules rules;
  delivery::report_book reports;
  delivery::connection_slots slots;
  durable handed_in;
  std::vector<std::unique_ptr<worker>> all;
};

delivery_scene::delivery_scene(std::uint64_t seed) : world(seed) {
  for (const int i : {1, 2}) {
    const auto name = "mx" + std::to_string(i) + ".far.test";
    dns.add_mx("far.test", static_cast<std::uint16_t>(i), name);
    dns.add_address(name, "198.51.100." + std::to_string(i));
  }
  dns.add_mx("here.test", 1, "mx.here.test");
  dns.add_address("mx.here.test", "198.51.100.9");
  first = host("198.51.100.1", "mx1.far.test");
  second = host("198.51.100.2", "mx2.far.test");
  home = host("198.51.100.9", "mx.here.test");
  settings.hostname = "relay.test";
  settings.delivery.tls = config::tls_choice::none;
  settings.retry.intervals = {30min};
  settings.retry.jitter = 0;
  settings.retry.queue_lifetime = 5h;
  settings.retry.bounce_lifetime = 5h;
  settings.retry.delay_warnings.clear();
}

delivery_scene::~delivery_scene() {
  if (parts_) {
    for (const auto& w : parts_->all) {
      w->engine->drain();
      w->engine->stop();
      w->hosts->stop();
    }
  }
  for (auto* mta : {first.get(), second.get(), home.get()}) {
    if (mta != nullptr) mta->stop();
  }
  run(1h);
}

std::unique_ptr<scripted_mta> delivery_scene::host(const std::string& address,
                                                   const std::string& name) {
  const auto at = *ip_address::parse(address);
  return std::make_unique<scripted_mta>(world.runtime(at), endpoint{at, 25}, name);
}

void delivery_scene::begin() {
  if (parts_) return;
  spool::store_options options;
  options.left = [this](const std::vector<queue_id>& gone) {
    for (const auto id : gone) log.emit(events::removed{id});
  };
  std::string why;
  auto opened = spool::open_store({disk, *jobs, *jobs, world.clock}, options, why);
  if (!opened) throw std::runtime_error(why);
  store = std::move(opened->store);
  if (!store->enumerate([](const spool::stored_message&) {})) throw std::runtime_error("spool");
  parts_ = std::make_unique<parts>(settings);
  auto& p = *parts_;
  p.handed_in.executor = here.executor;
  std::vector<queue::schedule_of_worker> all;
  for (std::size_t i = 0; i < workers; ++i) {
    p.all.push_back(std::make_unique<parts::worker>(here, *store, *readers, p.routes));
    queue::schedule_of_worker schedule;
    schedule.world = &here;
    schedule.scheduler = &p.all.back()->scheduler;
    all.push_back(schedule);
  }
  for (std::size_t i = 0; i < workers; ++i) {
    auto& w = *p.all[i];
    w.dispatcher = std::make_unique<queue::dispatcher>(i, all, p.routes);
    w.hosts = std::make_unique<delivery::connections>(delivery::connections_world{
        here, settings, p.routes, contexts(), dns, log, [](const endpoint&) { return false; }});
    w.settler = std::make_unique<delivery::settler>(
        delivery::settler_world{here, settings, w.gate, ids, budget, p.reports, log,
                                [&w](const auto& report) { w.dispatcher->add(report); }});
    w.engine = std::make_unique<delivery::engine>(
        delivery::engine_world{here, settings, p.routes, p.rules, w.scheduler, *w.dispatcher,
                               w.gate, *w.hosts, *w.settler, budget, p.slots, workers, log});
  }
  for (const auto& w : p.all) w->scheduler.begin();
}

smtp::envelope delivery_scene::letter() {
  return letter("me@here.test", "joe@far.test");
}

smtp::envelope delivery_scene::letter(const std::string& from, const std::string& to) {
  return {smtp::parse_address(from).value(), {smtp::parse_address(to).value()}};
}

queue_id delivery_scene::submit(smtp::envelope envelope, std::string content, std::size_t worker) {
  begin();
  const auto made = std::make_shared<spool::message>();
  made->id = ids.next(world.clock.wall());
  made->arrival = world.clock.wall();
  made->envelope = std::move(envelope);
  made->content = std::move(content);
  auto& to = parts_->handed_in;
  to.waiting[++to.last] = [this, made, worker] {
    queue::memory_lease lease(budget);
    lease.cover(made->content.size());
    parts_->all[worker]->dispatcher->add(queue::make_queued(made, std::move(lease)));
  };
  store->append({made, {}, to.last}, to);
  return made->id;
}

void delivery_scene::run(duration time) {
  until([] { return false; }, time);
}

bool delivery_scene::until(const std::function<bool()>& over, duration limit) {
  world.at(world.clock.now() + limit, [] {});  // so that it passes
  return world.run_until(over, limit);
}

std::string delivery_scene::reports() const {
  std::string all;
  for (const auto& r : home->taken) all += r.content;
  return all;
}

std::size_t delivery_scene::left() const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < spool::store::parts; ++i) n += store->messages(i).size();
  return n;
}

queue::scheduler& delivery_scene::schedule(std::size_t worker) {
  return parts_->all[worker]->scheduler;
}

queue::destination* delivery_scene::destination(const std::string& domain) {
  const auto hop = parts_->routes.parse(domain);
  if (!hop) return nullptr;
  return schedule(parts_->all.front()->dispatcher->owner_of(*hop)).find(*hop);
}

}  // namespace relais::testing
