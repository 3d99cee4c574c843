// A session from its first job to its last. See the header of engine.hpp.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.hpp"
#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using namespace std::chrono_literals;
using queue::destination;
using queue::destination_state;

namespace {
// So many messages in a row while other destinations wait for a session.
constexpr unsigned messages_in_a_row = 16;
// How long a message waits for memory before it asks again.
constexpr auto memory_wait = 1s;
// So many jobs move to the fallback in one turn.
constexpr unsigned moves_in_a_row = 64;
}  // namespace

net::task<void> engine::serve(destination& to, standing as) {
  tenure mine(*this, to, as);
  // In a turn of its own: what ends without ever waiting must not end the destination under the
  // hands of who began it.
  co_await net::asio::post(world_.executor, net::asio::use_awaitable);
  co_await work(mine);
}

net::task<void> engine::work(tenure& mine) {
  course c(*this, mine);
  if (!next_job(c, *c.now)) co_return;
  mine.begin();
  auto& part = part_of(c.to);
  if (part.connections.is_limited() && !hosts_.has_idle(c.to.hop)) {
    part.connections.took(world_.clock.now());
  }
  auto hop = c.to.hop;
  auto way = co_await hosts_.reach(std::move(hop), nullptr);
  if (!way.session) {
    co_await unreachable(c, std::move(way));
    co_return;
  }
  {
    const connected_count counted(part);
    co_await transact(c, way);
    hosts_.give_back(c.to.hop, std::move(way.session));
  }
  if (!c.elsewhere.empty()) co_await try_elsewhere(c);
}

bool engine::next_job(course& c, parcel& into) {
  if (draining_ || !may_begin()) return false;
  auto& part = part_of(c.to);
  const auto now = world_.clock.now();
  if (const auto at = part.messages.next(now); at > now) {
    ring_at(c.to, part, at);
    return false;
  }
  for (unsigned moved = 0; moved < moves_in_a_row; ++moved) {
    auto job = scheduler_.take(c.to);
    if (!job) return false;
    if (scheduler_.wants_fallback(c.to, *job)) {
      take_fallback(c.to, std::move(*job));
      continue;
    }
    into.job = std::move(*job);
    into.how = attempt();
    into.how.began = into.how.connected = now;
    part.messages.took(now);
    return true;
  }
  return false;  // the next session goes on with it
}

// False: the job is settled or waits.
net::task<bool> engine::load(course& c, parcel& p, client_session& session) {
  if (loader_.load_at_once(p, session.features())) co_return true;
  const auto peer = session.features();
  const auto fault = co_await loader_.load(p, peer);
  if (!fault) co_return true;
  if (fault == errc::out_of_memory_budget) {
    later(c.to, p, memory_wait);  // this was no attempt
  } else if (fault == errc::not_found) {
    come_back(c.to, p, remainder(), false);  // an operator removed it
  } else {
    std::vector<verdict> verdicts(p.job.recipients.size(), unreadable(p.job.message->id, fault));
    co_await settle(c.to, p, std::move(verdicts));
  }
  co_return false;
}

bool engine::may_go_on(const course& c, const client_session& session) const {
  const auto& to = c.to;
  const auto& part = static_cast<const outbound&>(*to.delivery);
  if (draining_ || to.state() != destination_state::open || !c.elsewhere.empty()) return false;
  if (!session.is_usable() || !session.has_mail_left()) return false;
  if (session.uses() >= routes_.at(to.hop).messages_per_connection) return false;
  if (part.sessions > part.bears.limit()) return false;
  if (world_.clock.now() - c.since >= settings_.delivery.connection_lifetime) return false;
  return c.served < messages_in_a_row || !others_wait();
}

// Only on a connection that has proved itself, and only what no other session is about to take.
bool engine::may_go_ahead(const course& c, const client_session& session) {
  return session.uses() > 0 && session.features().pipelining &&
         session.uses() + 1 < routes_.at(c.to.hop).messages_per_connection &&
         c.to.ready() > part_of(c.to).starting && may_go_on(c, session);
}

net::task<void> engine::transact(course& c, reached& way) {
  auto& session = *way.session;
  const auto connected = world_.clock.now();
  while (c.now->has_job()) {
    auto& p = *c.now;
    bool is_loaded = p.is_loaded;
    if (!is_loaded) is_loaded = co_await load(c, p, session);
    if (is_loaded) {
      if (may_go_ahead(c, session) && next_job(c, *c.next)) co_await load(c, *c.next, session);
      auto* const ahead = c.next->is_loaded ? &c.next->out : nullptr;
      p.how.relay = way.relay;
      p.how.remote_mta = way.remote_mta;
      p.how.tls = session.tls_description();
      p.how.peer_reports = session.features().dsn;
      p.how.connected = std::max(p.how.began, connected);
      co_await session.send(p.out, ahead);
      p.how.connection_use = session.uses();
      co_await conclude(c, session, p);
      ++c.served;
      std::swap(c.now, c.next);
    }
    if (c.now->has_job()) {
      if (session.is_usable() && c.now->out.what.was_begun) continue;
      if (session.is_usable() && may_go_on(c, session)) continue;
      if (c.now->out.what.was_begun) {
        co_await conclude(c, session, *c.now);
      } else {
        put_back(c.to, *c.now);
      }
      break;
    }
    if (!may_go_on(c, session) || !next_job(c, *c.now)) break;
  }
}

net::task<void> engine::unreachable(course& c, reached way) {
  auto& part = part_of(c.to);
  auto& p = *c.now;
  if (way.is_busy) {
    if (!part.for_a_host) for_a_host_.push_back(&c.to);
    part.for_a_host = true;
    put_back(c.to, p);
    try_for_a_host();
    co_return;
  }
  const bool is_probe = c.mine.as == standing::probe;
  if (part.connected > 0 && !is_probe && way.why.what == outcome::deferred) {
    // Others are connected: the peer wants no more of us at a time. They do the work.
    part.bears.had_enough(part.connected);
    put_back(c.to, p);
    co_return;
  }
  const auto why = way.why;
  for (;;) {
    p.how.relay = way.relay;
    p.how.remote_mta = way.remote_mta;
    p.how.connected = world_.clock.now();
    std::vector<verdict> verdicts(p.job.recipients.size(), why);
    apply_rules(c.to, p, way.remote_mta, verdicts);
    if (why.what == outcome::deferred) is_down(c, why);
    co_await settle(c.to, p, std::move(verdicts));
    // A definite "no" is one for all that is ready.
    if (why.what != outcome::bounced || !next_job(c, p)) break;
    co_await net::asio::post(world_.executor, net::asio::use_awaitable);
  }
}

net::task<void> engine::try_elsewhere(course& c) {
  c.is_elsewhere = true;
  for (auto& r : c.elsewhere) {
    unmet_need need;
    need.what = &r.what.out.what;
    need.not_there = r.by;
    need.said = r.said;
    co_await try_elsewhere(c, r.what, std::move(need));
  }
}

net::task<void> engine::try_elsewhere(course& c, parcel& p, unmet_need need) {
  p.how.began = world_.clock.now();
  auto hop = c.to.hop;
  auto way = co_await hosts_.reach(std::move(hop), &need);
  p.how.relay = way.relay;
  p.how.remote_mta = way.remote_mta;
  p.how.connected = world_.clock.now();
  if (way.is_busy) {
    later(c.to, p, memory_wait);
    co_return;
  }
  if (!way.session) {
    std::vector<verdict> verdicts(p.job.recipients.size(), way.why);
    co_await settle(c.to, p, std::move(verdicts));
    co_return;
  }
  auto& session = *way.session;
  if (co_await load(c, p, session)) {
    p.how.tls = session.tls_description();
    p.how.peer_reports = session.features().dsn;
    co_await session.send(p.out, nullptr);
    p.how.connection_use = session.uses();
    co_await conclude(c, session, p);
  }
  hosts_.give_back(c.to.hop, std::move(way.session));
}

}  // namespace relais::delivery
