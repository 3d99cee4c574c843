#include "unit/queue/schedule_scene.hpp"

#include <numeric>
#include <utility>

#include "queue/sender_hash.hpp"

namespace relais::testing {

using namespace std::chrono_literals;

class hand_alarms::one final : public net::alarm {
 public:
  one(hand_alarms& all, std::function<void()> ring) : all_(all), ring_(std::move(ring)) {}
  ~one() override { clear(); }
  one(const one&) = delete;
  one& operator=(const one&) = delete;

  void set(steady_time at) override {
    clear();
    at_ = at;
    all_.set_.emplace(at, this);
  }
  void clear() override { all_.set_.erase({at_, this}); }
  void ring() const { ring_(); }

 private:
  hand_alarms& all_;
  std::function<void()> ring_;
  steady_time at_{};
};

std::unique_ptr<net::alarm> hand_alarms::make(std::function<void()> ring) {
  return std::make_unique<one>(*this, std::move(ring));
}

std::optional<steady_time> hand_alarms::first() const {
  return set_.empty() ? std::nullopt : std::optional(set_.begin()->first);
}

void hand_alarms::ring_first() {
  auto* const due = set_.begin()->second;
  set_.erase(set_.begin());
  ++rings;
  due->ring();
}

config::settings schedule_settings() {
  config::settings settings;
  settings.hostname = "relay.example";
  settings.retry.queue_lifetime = 120h;
  settings.retry.bounce_lifetime = 24h;
  settings.retry.delay_warnings = {4h};
  config::route_settings primary;
  primary.recipients = {"primary.example"};
  primary.next_hops = {"[192.0.2.1]"};
  primary.fallback = {"[192.0.2.2]"};
  primary.fallback_attempts = 3;
  primary.fallback_time = 12h;
  settings.routes.push_back(primary);
  config::route_settings other;
  other.recipients = {"other.example"};
  other.next_hops = {"[192.0.2.3]"};
  settings.routes.push_back(other);
  return settings;
}

schedule_scene::schedule_scene()
    : network(net::make_system_network(io.get_executor(), alarms, clock)),
      world{io.get_executor(), clock, random, alarms, *network},
      routes(schedule_settings()),
      scheduler(world, routes, store) {
  scheduler.on_ready([this](queue::destination& d) { woken.push_back(name(d.hop)); });
  scheduler.begin();
}

void schedule_scene::advance(duration by) {
  const auto end = clock.elapsed + by;
  const auto start = clock.now() - clock.elapsed;
  for (auto next = alarms.first(); next && *next <= start + end; next = alarms.first()) {
    clock.elapsed = std::max(clock.elapsed, *next - start);
    alarms.ring_first();
  }
  clock.elapsed = end;
}

queue_id schedule_scene::message(std::size_t recipients, const std::string& from) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(clock.wall().time_since_epoch());
  last_ = std::max(last_ + 1, static_cast<std::uint64_t>(ms.count()) << 16);
  spool::stored_message made;
  made.id.value = last_;
  made.arrival = clock.wall();
  if (!from.empty()) made.envelope.reverse_path = smtp::parse_address(from).value();
  made.envelope.forward_paths.assign(recipients, smtp::parse_address("b@r.example").value());
  made.recipients.resize(recipients);
  return store.all.emplace(made.id, made).first->first;
}

queue::new_job schedule_scene::cold(queue_id id) const {
  const auto& known = store.all.at(id);
  queue::new_job job;
  job.id = id;
  job.recipients.resize(known.recipients.size());
  std::iota(job.recipients.begin(), job.recipients.end(), std::size_t{0});
  job.sender_hash = queue::sender_hash(known.envelope);
  job.is_report = known.envelope.reverse_path.is_null();
  return job;
}

queue::new_job schedule_scene::hot(queue_id id) const {
  auto job = cold(id);
  job.message = queue::make_queued(store.all.at(id));
  return job;
}

policy::next_hop schedule_scene::hop(const std::string& domain) const {
  const auto to = smtp::parse_address("b@" + domain).value();
  return routes.find({to, smtp::path()});
}

std::string schedule_scene::name(const policy::next_hop& hop) {
  if (hop.is_fallback) return "fallback";
  return hop.route == 0 ? "primary" : hop.route == 1 ? "other" : hop.domain;
}

queue::destination& schedule_scene::at(const std::string& domain) {
  return *scheduler.find(hop(domain));
}

std::uint32_t hash_of_flow(unsigned flow) {
  std::uint32_t hash = 0;
  while ((hash * 0x9e3779b1u) >> 26 != flow) ++hash;
  return hash;
}

}  // namespace relais::testing
