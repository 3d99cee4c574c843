#include "soak/soak.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "soak/bounds.hpp"
#include "soak/load.hpp"
#include "support/simulated_relay.hpp"

namespace relais::soak {

using namespace std::chrono_literals;
using testing::simulated_relay;

namespace {

using float_hours = std::chrono::duration<double, std::ratio<3600>>;
using float_seconds = std::chrono::duration<double>;
constexpr std::size_t workers = 3;

class scene final : public event_sink {
 public:
  scene(std::uint64_t seed, figures& f);
  ~scene() override;
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  void live(duration time);
  void calm_down();
  void check_fairness();
  void emit(const event& e) noexcept override;

 private:
  void configure();
  void pass(duration time) {
    world_.at(world_.clock.now() + time, [] {});
    world_.run_until([] { return false; }, time);
  }
  duration draw(duration most) {
    return duration(
        static_cast<std::int64_t>(world_.random.below(static_cast<std::uint64_t>(most.count()))));
  }
  void disturb();
  void cut_power();
  void count(std::uint64_t& what);
  void look_each_hour();
  void hold(const char* what, std::uint64_t seen, std::uint64_t allowed, double& most);
  bool was_disturbed(steady_time from, steady_time until) const;
  void check_delivery(const account& a);

  std::uint64_t seed_;
  bool breaks_ = seed_ % 3 == 0;  ///< the network itself, now and then
  bool is_verbose_ = std::getenv("RELAIS_SOAK_LOG") != nullptr;
  figures& figures_;
  ledger books_;
  testing::sim_world world_;
  testing::sim_disk disk_;
  testing::fake_resolver dns_;
  population there_;
  simulated_relay relay_{world_, disk_, dns_};
  std::vector<endpoint> entrances_;
  std::unique_ptr<load> load_;
  // Of this hour.
  figures before_;
  std::size_t accounts_before_ = 0, pending_before_ = 0;
  // Of this instant.
  steady_time instant_{};
  std::uint64_t at_once_ = 0;
};

scene::scene(std::uint64_t seed, figures& f)
    : seed_(seed), figures_(f), world_(seed), there_(world_, dns_, books_) {
  configure();
  load_ = std::make_unique<load>(world_, books_, there_, entrances_);
  world_.on_connect = [this](const endpoint& to) {
    if (to.address == simulated_relay::address) return;
    count(figures_.connections);
    there_.is_tried(to);
  };
  dns_.before_answering = [this]() -> net::task<void> {
    count(figures_.questions);
    const auto travel = draw(60ms);
    co_await net::sleep_for(world_.runtime(simulated_relay::address), travel);
  };
}

scene::~scene() {
  relay_.shut_down(3h);
  load_->stop();
  there_.stop();
  world_.run_until([&] { return load_->is_idle() && there_.is_idle(); }, 3h);
}

void scene::configure() {
  world_.slowest_packet = 20ms;
  if (breaks_) world_.reset_one_in = 1500;
  relay_.events = this;
  relay_.workers = workers;
  auto& s = relay_.settings;
  s.listeners.clear();
  for (std::uint16_t i = 0; i < workers; ++i) {
    entrances_.push_back(endpoint{simulated_relay::address, static_cast<std::uint16_t>(25 + i)});
    s.listeners.push_back(config::listener{entrances_.back()});
  }
  s.delivery.tls = config::tls_choice::none;
  s.delivery.concurrency = 24;
  s.delivery.initial_concurrency = bounds::initial_connections;
  s.delivery.concurrency_per_destination = habits().connections;
  s.retry.intervals.assign(bounds::intervals.begin(), bounds::intervals.end());
  s.retry.jitter = bounds::jitter_percent;
  s.retry.queue_lifetime = bounds::queue_lifetime;
  s.retry.bounce_lifetime = 240h;
  s.report.limit = 0;
}

// Of what is counted, nothing goes on for ever; the time that a loop takes is not to be waited for.
void scene::count(std::uint64_t& what) {
  ++what;
  const auto now = world_.clock.now();
  if (now != instant_) at_once_ = 0;
  instant_ = now;
  const auto this_hour =
      figures_.lines - before_.lines + figures_.connections - before_.connections;
  if (++at_once_ < bounds::at_once && this_hour < bounds::at_once) return;
  std::fprintf(stderr, "soak: a loop in hour %.4f of RELAIS_SOAK_SEED=%llu\n",
               float_hours(now.time_since_epoch()).count(), static_cast<unsigned long long>(seed_));
  std::abort();
}

void scene::emit(const event& e) noexcept {
  count(figures_.lines);
  if (is_verbose_) {
    std::printf("%12.6f %s\n", float_hours(world_.clock.elapsed).count(),
                relais::to_text(e).c_str());
  }
  if (const auto* a = std::get_if<events::attempted>(&e)) {
    if (a->status == "sent") books_.relay_says_sent(a->forward_path);
    if (a->status == "bounced") books_.relay_says_bounced(a->forward_path);
  }
}

void scene::live(duration time) {
  const auto end = world_.clock.now() + time;
  relay_.start();
  there_.begin();
  load_->begin(end);
  look_each_hour();
  for (;;) {
    const auto next = world_.clock.now() + 30min + draw(80h);
    pass(std::min(next, end) - world_.clock.now());
    if (world_.clock.now() >= end) break;
    disturb();
  }
}

void scene::disturb() {
  interruption one;
  one.from = world_.clock.now();
  switch (world_.random.below(4)) {
    case 0:
    case 1:
      ++figures_.restarts;
      one.is_orderly = true;
      relay_.shut_down(3h);
      break;
    case 2:
      ++figures_.kills;
      relay_.kill();
      disk_.restart();
      break;
    default:
      ++figures_.power_cuts;
      cut_power();
      one.from = std::max(one.from, world_.clock.now() - 1min);
      break;
  }
  if (world_.random.below(3) == 0) pass(draw(30min));
  one.until = world_.clock.now();
  books_.interrupted(one);
  there_.relay_restarted();
  relay_.start();
}

void scene::cut_power() {
  disk_.cut_power_after(world_.random.below(20));
  world_.run_until([this] { return disk_.is_off(); }, 1min);
  relay_.kill();
  disk_.crash(world_.random.next());
}

// Reports that were held back by a home that was away come last.
void scene::calm_down() {
  there_.calm_down();
  world_.reset_one_in = 0;
  pass(24h);
  for (int i = 0; i < 40 && books_.pending() > 0; ++i) pass(1h);
  pass(6h);
  if (!relay_.shut_down(1h)) books_.complain("the relay did not stop in an orderly way");
  const auto left = relay_.spooled().size();
  if (left > 0) books_.complain(fmt::format("{} messages are still in the spool", left));
  if (relay_.large_files() > 0) books_.complain("a large content is left over");
  figures_.hours = float_hours(world_.clock.elapsed).count();
  figures_.messages = load_->messages();
  figures_.books = books_.settle();
  check_fairness();
  figures_.complaints = books_.complaints();
}

// --- bounds
// ---------------------------------------------------------------------------------------

void scene::hold(const char* what, std::uint64_t seen, std::uint64_t allowed, double& most) {
  most = std::max(most, static_cast<double>(seen) / static_cast<double>(allowed));
  if (seen <= allowed) return;
  books_.complain(fmt::format("{} {} in the hour before hour {:.0f}, more than {}", seen, what,
                              float_hours(world_.clock.elapsed).count(), allowed));
}

void scene::look_each_hour() {
  const auto waiting =
      std::max(books_.pending(), pending_before_) + books_.accounts().size() - accounts_before_;
  hold("log lines", figures_.lines - before_.lines, bounds::lines + bounds::lines_each * waiting,
       figures_.most_lines);
  hold("connections", figures_.connections - before_.connections,
       bounds::connections + bounds::connections_each * waiting, figures_.most_connections);
  hold("DNS questions", figures_.questions - before_.questions,
       bounds::questions + bounds::questions_each * waiting, figures_.most_questions);
  before_.lines = figures_.lines;
  before_.connections = figures_.connections;
  before_.questions = figures_.questions;
  accounts_before_ = books_.accounts().size();
  pending_before_ = books_.pending();
  dns_.asked.clear();
  world_.at(world_.clock.now() + 1h, [this] { look_each_hour(); });
}

bool scene::was_disturbed(steady_time from, steady_time until) const {
  return std::ranges::any_of(books_.interruptions(), [&](const interruption& i) {
    return i.from <= until && i.until >= from;
  });
}

void scene::check_fairness() {
  for (const auto& a : books_.accounts()) check_delivery(a);
}

// Whatever black holes and bulks there are: who writes to a next hop that answers is done soon.
void scene::check_delivery(const account& a) {
  if (!a.accepted || a.is_bulk || a.is_unknown || a.full_until != steady_time{}) return;
  const auto& hop = *there_.domains()[a.domain].primary;
  const auto since = *a.accepted;
  const auto until = since + bounds::delivery;
  if (hop.ways().has_greylist || hop.ways().pipelining != honesty::honest) return;
  if (!hop.was_good(since - bounds::recovering, until)) return;
  if (breaks_ || was_disturbed(since - bounds::recovering, until)) return;
  ++figures_.fair;
  const auto name =
      fmt::format("m{} to {}, accepted in hour {:.3f},", a.number, there_.domains()[a.domain].name,
                  float_hours(since.time_since_epoch()).count());
  if (a.copies.empty()) {
    books_.complain(name + " was never delivered although its next hop was good");
    return;
  }
  const auto took = a.copies.front().when - since;
  figures_.slowest_delivery = std::max(figures_.slowest_delivery, float_seconds(took).count());
  figures_.most_overtaken = std::max(figures_.most_overtaken, a.overtaken_by);
  if (took > bounds::delivery) {
    books_.complain(
        fmt::format("{} was delivered only {:.0f} s later", name, float_seconds(took).count()));
  }
  if (a.overtaken_by > bounds::overtaking) {
    books_.complain(fmt::format("{} was overtaken by {} others", name, a.overtaken_by));
  }
}

}  // namespace

figures run(std::uint64_t seed, duration time) {
  figures f;
  scene one(seed, f);
  one.live(time);
  one.calm_down();
  return f;
}

figures& operator+=(figures& sum, const figures& one) {
  sum.hours += one.hours;
  sum.messages += one.messages;
  sum.connections += one.connections;
  sum.lines += one.lines;
  sum.questions += one.questions;
  sum.restarts += one.restarts;
  sum.kills += one.kills;
  sum.power_cuts += one.power_cuts;
  sum.fair += one.fair;
  auto& to = sum.books;
  const auto& from = one.books;
  to.recipients += from.recipients;
  to.accepted += from.accepted;
  to.delivered += from.delivered;
  to.reported += from.reported;
  to.both += from.both;
  to.copies += from.copies;
  to.unheard += from.unheard;
  to.crashed += from.crashed;
  to.off_protocol += from.off_protocol;
  to.repeated += from.repeated;
  to.repeated_reports += from.repeated_reports;
  sum.slowest_delivery = std::max(sum.slowest_delivery, one.slowest_delivery);
  sum.most_overtaken = std::max(sum.most_overtaken, one.most_overtaken);
  sum.most_lines = std::max(sum.most_lines, one.most_lines);
  sum.most_connections = std::max(sum.most_connections, one.most_connections);
  sum.most_questions = std::max(sum.most_questions, one.most_questions);
  return sum;
}

std::string to_text(const figures& f) {
  const auto& b = f.books;
  return fmt::format(
      "{:.0f} virtual hours, {} restarts, {} kills, {} power cuts\n"
      "{} messages; of {} recipients {} were accepted, {} delivered, {} reported as failed, {} "
      "both\n"
      "{} copies, {} beyond the first; {} of them the relay did not hear of, {} fell into a crash, "
      "{} came while the peer broke the protocol; {} reports twice\n"
      "{} connections, {} log lines, {} DNS questions; at most {:.0f}, {:.0f}, {:.0f} % of what an "
      "hour may have\n"
      "{} deliveries where all was well: {:.1f} s at most, overtaken by {} at most",
      f.hours, f.restarts, f.kills, f.power_cuts, f.messages, b.recipients, b.accepted, b.delivered,
      b.reported, b.both, b.copies, b.repeated, b.unheard, b.crashed, b.off_protocol,
      b.repeated_reports, f.connections, f.lines, f.questions, 100 * f.most_connections,
      100 * f.most_lines, 100 * f.most_questions, f.fair, f.slowest_delivery, f.most_overtaken);
}

}  // namespace relais::soak
