// Who may begin: slots, lines, paces, and the memory of idle destinations. See the header.
#include "delivery/engine.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using namespace std::chrono_literals;
using queue::destination;
using queue::destination_state;

namespace {
// How long all wait before they look again whether the spool can record what they do.
constexpr auto failed_spool_wait = 30s;
// What was learned of a destination is kept so long when it has nothing to do.
constexpr auto idle_memory = 10min;

std::size_t share(std::size_t all, std::size_t quarters) {
  return std::max<std::size_t>(1, all * quarters / 4);
}
}  // namespace

engine::engine(engine_world w)
    : world_(w.world),
      settings_(w.settings),
      routes_(w.routes),
      rules_(w.rules),
      scheduler_(w.scheduler),
      dispatcher_(w.dispatcher),
      gate_(w.gate),
      hosts_(w.hosts),
      settler_(w.outcomes),
      slots_(w.slots),
      events_(w.events),
      loader_(w.world.clock, {w.settings.delivery.convert_8bit, w.settings.delivery.convert_signed},
              w.gate, w.budget),
      idle_alarm_(world_.alarms.make([this] { forget_idle(); })),
      look_again_(world_.alarms.make([this] { serve_lines(); })),
      sessions_(world_, [this](const std::string& label, const std::string& what) {
        events_.emit(events::notice{"smtp", true, label + ": " + what});
      }) {
  me_ = slots_.join(world_.executor, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    ++granted_;
    serve_lines();
  });
  // What does not answer, and what nobody knows yet, may not keep the slots from the rest.
  const auto mine = std::max<std::size_t>(1, slots_.limit() / std::max<std::size_t>(1, w.workers));
  line_of(standing::live).most = slots_.limit();
  line_of(standing::fresh).most = share(mine, 2);
  line_of(standing::probe).most = share(mine, 1);
  scheduler_.on_ready([this](destination& to) { wake(to); });
  hosts_.on_free([this] { host_is_free(); });
}

engine::~engine() = default;

void engine::drain() {
  draining_ = true;
  for (const auto session : connecting_) sessions_.stop(session);
  serve_lines();
}

outbound& engine::part_of(destination& to) {
  if (!to.delivery) {
    auto made = std::make_unique<outbound>(routes_.at(to.hop));
    // Slow start behind an outage.
    if (to.failures() > 0) made->bears.failed();
    to.delivery = std::move(made);
  }
  return static_cast<outbound&>(*to.delivery);
}

bool engine::may_begin() {
  const bool failed = gate_.has_room(0) == spool::health::failed;
  if (failed != spool_failed_) {
    events_.emit(events::notice{"qmgr", failed,
                                failed ? "the spool has failed: no delivery begins until it works"
                                       : "the spool works again: deliveries go on"});
  }
  spool_failed_ = failed;
  if (failed) look_again_->set(world_.clock.now() + failed_spool_wait);
  return !failed;
}

void engine::wake(destination& to) {
  if (draining_) return;
  auto& part = part_of(to);
  const bool is_open = to.state() == destination_state::open;
  if (is_open && routes_.at(to.hop).action != config::route_action::relay) {
    if (to.ready() > 0) look_at(to);
  } else if (to.has_work(world_.clock.now())) {
    while (wants_session(to, part) && begin(to, part)) {
    }
  } else if (to.has_overdue()) {
    look_at(to);
  }
  // Not released: the caller may be the schedule.
  if (part.is_idle() && !remember(to, part)) to.delivery.reset();
}

bool engine::wants_session(const destination& to, const outbound& part) const {
  if (part.for_a_host || !to.has_work(world_.clock.now())) return false;
  if (to.state() != destination_state::open) return !part.is_probing;
  // What is ready does not wait for a session that is at work: that may hang for minutes.
  return part.starting < to.ready() && part.sessions < part.bears.limit();
}

namespace {
standing standing_of(const destination& to, const outbound& part) {
  if (to.state() != destination_state::open) return standing::probe;
  return part.has_succeeded ? standing::live : standing::fresh;
}
}  // namespace

bool engine::begin(destination& to, outbound& part) {
  const auto as = standing_of(to, part);
  if (is_paced(to, part)) return false;
  const auto& mine = line_of(as);
  if (!may_begin() || mine.running >= mine.most || !take_slot()) {
    wait_in_line(to, part, as);
    return false;
  }
  start(to, part, as);
  return true;
}

bool engine::take_slot() {
  if (granted_ == 0) return slots_.take(me_);
  --granted_;
  return true;
}

void engine::start(destination& to, outbound& part, standing as) {
  ++part.sessions;
  ++part.starting;
  ++line_of(as).running;
  if (as == standing::probe) part.is_probing = true;
  sessions_.spawn("delivery to " + routes_.text(to.hop), serve(to, as, sessions_.next_id()));
}

// A new connection counts only where no idle one can be used.
bool engine::is_paced(destination& to, outbound& part) {
  const auto now = world_.clock.now();
  auto at = part.messages.next(now);
  if (part.connections.is_limited() && !hosts_.has_idle(to.hop)) {
    at = std::max(at, part.connections.next(now));
  }
  if (at <= now) return false;
  ring_at(to, part, at);
  return true;
}

void engine::ring_at(destination& to, outbound& part, steady_time at) {
  if (!part.bell) {
    part.bell = world_.alarms.make([this, &to] {
      static_cast<outbound&>(*to.delivery).is_paced = false;
      wake(to);
      rest(to);
    });
  }
  part.is_paced = true;
  part.bell->set(at);
}

void engine::wait_in_line(destination& to, outbound& part, standing as) {
  if (!part.in_line) line_of(as).waiting.push_back(&to);
  part.in_line = true;
}

destination* engine::next_in_line() {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    auto& one = lines_[(turn_ + i) % lines_.size()];
    if (one.waiting.empty() || one.running >= one.most) continue;
    turn_ = (turn_ + i + 1) % lines_.size();
    auto* first = one.waiting.front();
    one.waiting.pop_front();
    part_of(*first).in_line = false;
    return first;
  }
  return nullptr;
}

bool engine::can_serve_line() const {
  return std::ranges::any_of(
      lines_, [](const line& l) { return !l.waiting.empty() && l.running < l.most; });
}

// One by one, each once: what wants more stands at the end of its line again. First the slot, then
// whose it is: who is turned away would lose the turn.
void engine::serve_lines() {
  std::size_t left = 0;
  for (const auto& one : lines_) left += one.waiting.size();
  if (draining_ || ((left > 0 || !to_look_at_.empty()) && !may_begin())) left = 0;
  for (; left > 0 && can_serve_line(); --left) {
    if (granted_ == 0) {
      if (!slots_.take(me_)) break;
      ++granted_;
    }
    auto& next = *next_in_line();
    auto& part = part_of(next);
    if (wants_session(next, part) && begin(next, part) && wants_session(next, part)) {
      wait_in_line(next, part, standing_of(next, part));
    }
    rest(next);
  }
  for (; granted_ > 0; --granted_) slots_.give_back();
  if (!to_look_at_.empty()) call_clerk();
}

bool engine::others_wait() const {
  return slots_.is_short() ||
         std::ranges::any_of(lines_, [](const line& l) { return !l.waiting.empty(); });
}

void engine::host_is_free() {
  host_tries_ = for_a_host_.size();
  try_for_a_host();
}

// One at a time: whether the connection that became free helps it is known when it has tried.
void engine::try_for_a_host() {
  while (host_tries_ > 0 && !for_a_host_.empty()) {
    --host_tries_;
    auto& next = *for_a_host_.front();
    for_a_host_.pop_front();
    part_of(next).for_a_host = false;
    wake(next);
    const auto* part = static_cast<const outbound*>(next.delivery.get());
    const bool will_try =
        part != nullptr && (part->sessions > 0 || part->in_line || part->is_paced);
    rest(next);
    if (will_try) return;  // the next one behind its session, see tenure
  }
}

// Not from within a call of the schedule.
void engine::rest(destination& to) {
  if (to.delivery) {
    auto& part = part_of(to);
    if (!part.is_idle() || remember(to, part)) return;
    to.delivery.reset();
  }
  scheduler_.release(to);
}

// True: something was learned of it, so the part of the idle destination is kept for a while.
bool engine::remember(destination& to, outbound& part) {
  if (draining_ || !part.has_learned()) return part.is_remembered;
  part.idle_since = world_.clock.now();
  if (part.is_remembered) return true;
  part.is_remembered = true;
  idle_.push_back({part.idle_since + idle_memory, to.hop});
  if (idle_.size() == 1) idle_alarm_->set(idle_.front().until);
  return true;
}

void engine::forget_idle() {
  const auto now = world_.clock.now();
  while (!idle_.empty() && idle_.front().until <= now) {
    const auto hop = std::move(idle_.front().hop);
    idle_.pop_front();
    auto* const found = scheduler_.find(hop);
    if (found == nullptr || !found->delivery) continue;
    auto& part = part_of(*found);
    part.is_remembered = false;
    if (!part.is_idle()) continue;
    const bool is_paced = part.messages.is_limited() || part.connections.is_limited();
    const auto window = is_paced ? routes_.at(hop).rate_window : duration{0};
    if (now < part.idle_since + std::max<duration>(idle_memory, window)) {
      part.is_remembered = true;
      idle_.push_back({now + idle_memory, hop});
      continue;
    }
    found->delivery.reset();
    scheduler_.release(*found);
  }
  if (!idle_.empty()) idle_alarm_->set(idle_.front().until);
}

}  // namespace relais::delivery
