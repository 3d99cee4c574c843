// What needs no session: jobs of destinations that are closed, whose senders are told or whose time
// is over, and the actions discard, error and hold. Some clerks do it for all destinations, a few
// jobs at a time, so that sessions are served in between. See the header of engine.hpp.
#include <boost/asio/post.hpp>

#include "base/error.hpp"
#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using queue::destination;
using queue::destination_state;

namespace {

// At a time: each may wait for a report to become durable.
constexpr std::size_t most_clerks = 8;
// Of one destination in a row.
constexpr unsigned jobs_in_a_row = 64;

verdict why_closed(const destination& to) {
  const std::string reason(to.reason());
  switch (to.state()) {
    case destination_state::paused:
      return {outcome::deferred, blame::destination, "4.4.5", "delivery is paused: " + reason};
    case destination_state::suspended:
      return {outcome::deferred, blame::destination, "4.3.2",
              "delivery is suspended by the operator"};
    case destination_state::down:
    case destination_state::open: break;
  }
  return {outcome::deferred, blame::destination, "4.4.1",
          "delivery temporarily suspended: " + reason};
}

}  // namespace

void engine::look_at(destination& to) {
  auto& part = part_of(to);
  if (part.is_looked_at) return;
  part.is_looked_at = true;
  to_look_at_.push_back(&to);
  call_clerk();
}

void engine::call_clerk() {
  if (clerks_ >= most_clerks || clerks_ >= to_look_at_.size() || spool_failed_ || draining_) return;
  ++clerks_;
  sessions_.spawn("clerk", clerk());
}

net::task<void> engine::clerk() {
  struct count {
    std::size_t& of;
    ~count() { --of; }
  };
  const count mine{clerks_};
  // Has one destination; an exception ends the clerk, not the destination's turn.
  struct looking {
    engine& owner;
    destination& to;
    bool has_more = true;
    ~looking() {
      auto& part = owner.part_of(to);
      part.is_looked_at = false;
      if (has_more) {
        owner.look_at(to);
      } else {
        owner.wake(to);
        owner.rest(to);
      }
    }
  };
  for (;;) {
    co_await net::asio::post(world_.executor, net::asio::use_awaitable);
    if (to_look_at_.empty() || draining_ || !may_begin()) co_return;
    looking at{*this, *to_look_at_.front()};
    to_look_at_.pop_front();
    at.has_more = co_await look(at.to);
  }
}

// True: there is more, it is somebody else's turn.
net::task<bool> engine::look(destination& to) {
  const bool acts = routes_.at(to.hop).action != config::route_action::relay;
  for (unsigned i = 0; i < jobs_in_a_row; ++i) {
    const bool is_open = to.state() == destination_state::open;
    if (is_open && !acts) co_return false;
    auto job = is_open ? scheduler_.take(to) : scheduler_.take_overdue(to);
    if (!job) co_return false;
    if (scheduler_.wants_fallback(to, *job)) {
      take_fallback(to, std::move(*job));
      continue;
    }
    handful hand(*this, to);
    auto& p = hand.first;
    p.job = std::move(*job);
    p.how.began = p.how.connected = world_.clock.now();
    if (is_open) {
      co_await carry_out(to, p);
    } else {
      co_await tell(to, p);
    }
  }
  co_return true;
}

// Others were tried and failed: who has not been told yet is told, who waited too long is settled.
net::task<void> engine::tell(destination& to, parcel& p) {
  p.how.is_untried = true;
  std::vector<verdict> verdicts(p.job.recipients.size(), why_closed(to));
  co_await settle(to, p, std::move(verdicts));
}

net::task<void> engine::carry_out(destination& to, parcel& p) {
  const auto& way = routes_.at(to.hop);
  if (way.action == config::route_action::hold) {
    co_await hold(to, p);
    co_return;
  }
  verdict v;
  p.how.relay = routes_.text(to.hop);
  if (way.action == config::route_action::discard) {
    v.what = outcome::delivered;
    v.whom = blame::none;
    v.status = "2.0.0";
    v.reason = "discarded by " + way.name + " (" + way.place.text() + ")";
  } else {
    v.what = outcome::bounced;
    v.whom = blame::message;
    v.status = way.status;
    v.reason = way.text + " (" + way.name + ", " + way.place.text() + ")";
  }
  std::vector<verdict> verdicts(p.job.recipients.size(), v);
  co_await settle(to, p, std::move(verdicts));
}

// All of the message is held, that is how holding works; a part of it that another next hop has in
// hand is delivered all the same.
net::task<void> engine::hold(destination& to, parcel& p) {
  const auto id = p.job.message->id;
  const auto& way = routes_.at(to.hop);
  spool::state_change change;
  change.id = id;
  change.hold = true;
  const auto fault = co_await gate_.settle_durably(std::move(change));
  if (fault && fault != errc::not_found) {
    events_.emit(events::notice{"qmgr", true, id.text() + ": cannot be held: " + fault.message()});
    later(to, p, handful::wait);
    co_return;
  }
  if (!fault) {
    events_.emit(events::notice{
        "qmgr", false, id.text() + ": on hold by " + way.name + " (" + way.place.text() + ")"});
  }
  come_back(to, p, remainder(), false);
}

}  // namespace relais::delivery
