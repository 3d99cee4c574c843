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

net::task<void> engine::serve(destination& to, standing as, net::task_group::task_id me) {
  tenure mine(*this, to, as, me);
  // In a turn of its own: what ends without ever waiting must not end the destination under the
  // hands of who began it.
  co_await net::asio::post(world_.executor, net::asio::use_awaitable);
  co_await work(mine);
}

net::task<void> engine::work(tenure& mine) {
  course c(*this, mine);
  if (!next_job(c, *c.now)) co_return;
  mine.begin();
  co_await work_on_connection(c, false);
  while (take_again(c)) co_await work_on_connection(c, true);
  if (!c.elsewhere.empty()) co_await try_elsewhere(c);
}

net::task<void> engine::work_on_connection(course& c, bool is_fresh) {
  auto& part = part_of(c.to);
  if (part.connections.is_limited() && (is_fresh || !hosts_.has_idle(c.to.hop))) {
    part.connections.took(world_.clock.now());
  }
  auto way = co_await connect(c, nullptr, is_fresh);
  if (draining_) co_return hosts_.give_back(c.to.hop, std::move(way.session));
  if (!way.session) {
    co_await unreachable(c, std::move(way));
    co_return;
  }
  const connected_count counted(part);
  c.since = world_.clock.now();
  co_await transact(c, way);
  hosts_.give_back(c.to.hop, std::move(way.session));
}

// Till it is over drain() may end this session.
net::task<reached> engine::connect(const course& c, const unmet_need* need, bool is_fresh) {
  const connecting_mark here(connecting_, c.mine.task);
  auto hop = c.to.hop;
  co_return co_await hosts_.reach(std::move(hop), need, is_fresh);
}

/// A connection that had served others broke under a message, see conclude(). False: there is none,
/// or it has to wait for its turn.
bool engine::take_again(course& c) {
  if (!c.again.has_job()) return false;
  const bool is_due = part_of(c.to).connections.next(world_.clock.now()) <= world_.clock.now();
  if (!may_stay(c) || !may_begin() || !is_due) {
    put_back(c.to, c.again);
    return false;
  }
  begin_attempt(*c.now, std::move(c.again.job));
  c.again.clear();
  return true;
}

void engine::begin_attempt(parcel& p, queue::delivery_job job) {
  p.job = std::move(job);
  p.how = attempt();
  p.how.began = p.how.connected = world_.clock.now();
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
    begin_attempt(into, std::move(*job));
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
    // A probe has shown what it was for: the host answers. The next one would meet the same.
    if (c.mine.as == standing::probe) went_well(c);
    std::string why = "not enough memory for now to read the message";
    co_await wait_or_expire(c, p, std::move(why));
    // The next one may meet the same, and a hundred thousand behind it.
    ++c.served;
    co_await net::asio::post(world_.executor, net::asio::use_awaitable);
  } else if (fault == errc::not_found) {
    come_back(c.to, p, remainder(), false);  // an operator removed it
  } else {
    std::vector<verdict> verdicts(p.job.recipients.size(), unreadable(p.job.message->id, fault));
    co_await settle(c.to, p, std::move(verdicts));
  }
  co_return false;
}

// This was no attempt; but who waits so for all the time that the message has is told, too.
net::task<void> engine::wait_or_expire(course& c, parcel& p, std::string why) {
  const auto until = scheduler_.deadline(c.to, p.job);  // first: it asks the clock as well
  if (world_.clock.now() < until) {
    later(c.to, p, memory_wait);
    co_return;
  }
  verdict v(outcome::deferred, blame::message, "4.3.1", std::move(why));
  std::vector<verdict> verdicts(p.job.recipients.size(), v);
  co_await settle(c.to, p, std::move(verdicts));
}

bool engine::may_stay(const course& c) const {
  const auto& part = static_cast<const outbound&>(*c.to.delivery);
  if (draining_ || c.to.state() != destination_state::open || !c.elsewhere.empty()) return false;
  if (part.sessions > part.bears.limit()) return false;
  return c.served < messages_in_a_row || !others_wait();
}

bool engine::may_go_on(const course& c, const client_session& session) const {
  if (!session.is_usable() || !session.has_mail_left()) return false;
  if (session.uses() >= routes_.at(c.to.hop).messages_per_connection) return false;
  if (world_.clock.now() - c.since >= settings_.delivery.connection_lifetime) return false;
  return may_stay(c);
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
      if (draining_ && !p.out.what.was_begun) co_return;  // they go back as they are
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
    if (draining_) co_return;
    unmet_need need;
    need.what = &r.what.out.what;
    need.not_there = r.by;
    need.said = r.said;
    co_await try_elsewhere(c, r.what, std::move(need));
  }
}

net::task<void> engine::try_elsewhere(course& c, parcel& p, unmet_need need) {
  p.how.began = world_.clock.now();
  auto way = co_await connect(c, &need, false);
  if (draining_) co_return hosts_.give_back(c.to.hop, std::move(way.session));
  p.how.relay = way.relay;
  p.how.remote_mta = way.remote_mta;
  p.how.connected = world_.clock.now();
  if (way.is_busy) {
    std::string why = "no connection for now to a host that takes such mail";
    co_await wait_or_expire(c, p, std::move(why));
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
