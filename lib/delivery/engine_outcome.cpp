// What a transaction comes to: who is settled, who goes elsewhere or follows in another one, and
// what it says of the destination. See the header of engine.hpp.
#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using queue::destination;
using queue::destination_state;
using smtp::client_step;
using smtp::local_fault;
using smtp::recipient_reply;

namespace {

// So many sessions in a row that break in the middle are no accident of one message.
constexpr unsigned most_troubles = 3;

bool is_beyond_limit(const recipient_reply& r) {
  if (r.fault == local_fault::beyond_recipient_limit) return true;
  return r.remote && r.step == client_step::rcpt &&
         (r.remote->code() == 452 || r.remote->code() == 552);
}

/// Delivered, or refused for good.
bool is_decided(const recipient_reply& r) {
  if (!r.remote || is_beyond_limit(r)) return false;
  if (r.remote->is_positive()) return r.step == client_step::content;
  return r.remote->is_permanent() && r.step == client_step::rcpt;
}

bool is_for_another_host(const recipient_reply& r) {
  return r.fault != local_fault::none && r.fault != local_fault::deliver_by_over &&
         r.fault != local_fault::beyond_recipient_limit;
}

/// Nothing was said about the message but "enough on this connection, open another".
bool is_untold(const recipient_reply& r) {
  if (r.fault != local_fault::none) return false;
  if (r.remote) return r.remote->code() == 421 && r.step == client_step::mail;
  return r.step != client_step::content;
}

/// The recipients whose answer is `such` leave the parcel, and become a job of their own.
queue::delivery_job take_out(parcel& p, bool such(const recipient_reply&)) {
  auto& what = p.out.what;
  queue::delivery_job rest;
  rest.message = p.job.message;
  rest.attempts = p.job.attempts;
  rest.warnings = p.job.warnings;
  rest.ready_since = p.job.ready_since;
  std::vector<std::size_t> answered;
  std::vector<recipient_reply> answers;
  for (std::size_t i = 0; i < what.results.size(); ++i) {
    if (such(what.results[i])) {
      rest.recipients.push_back(what.recipients[i]);
    } else {
      answered.push_back(what.recipients[i]);
      answers.push_back(std::move(what.results[i]));
    }
  }
  what.recipients = std::move(answered);
  what.results = std::move(answers);
  p.job.recipients = what.recipients;
  return rest;
}

}  // namespace

// RFC 5321 4.5.3.1.10: recipients beyond the server's limit follow in a transaction of their own,
// at once. Only where somebody's fate was decided, so that every round makes progress.
void engine::take_out_overflow(destination& to, parcel& p) {
  const auto& results = p.out.what.results;
  if (std::ranges::none_of(results, is_beyond_limit)) return;
  if (std::ranges::none_of(results, is_decided)) return;
  scheduler_.put_back(to, take_out(p, is_beyond_limit));
}

// Another host may offer what this one lacks.
void engine::take_out_refused(course& c, client_session& session, parcel& p) {
  const auto& results = p.out.what.results;
  const auto first = std::ranges::find_if(results, is_for_another_host);
  if (c.is_elsewhere || first == results.end()) return;
  course::refusal r;
  r.by = session.relay_text();
  r.said = classify(*first, session.host_text());
  if (std::ranges::all_of(results, is_for_another_host)) {
    r.what.job = std::move(p.job);
    r.what.how = p.how;
    r.what.out.what = p.out.what;
    p.clear();
  } else {
    r.what.out.what = p.out.what;
    r.what.job = take_out(p, is_for_another_host);
    r.what.out.what.recipients = r.what.job.recipients;
    r.what.how = p.how;
  }
  c.elsewhere.push_back(std::move(r));
}

net::task<void> engine::conclude(course& c, client_session& session, parcel& p) {
  if (p.out.content_fault) {
    co_await spoiled(c, session, p);
    co_return;
  }
  auto& results = p.out.what.results;
  results.resize(p.job.recipients.size());  // nobody answered: nothing was said
  const bool was_used = session.uses() > 1;
  if (!session.is_usable() && was_used && std::ranges::all_of(results, is_untold)) {
    // A reused connection that the peer had given up: the message has not been tried yet. But where
    // it is the message that makes the peer do so, other connections are not to be lost to it.
    if (c.is_elsewhere || c.again.has_job()) {
      put_back(c.to, p);
    } else {
      c.again.job = std::move(p.job);
      p.clear();
    }
    co_return;
  }
  take_out_overflow(c.to, p);
  take_out_refused(c, session, p);
  if (!p.has_job()) {
    went_well(c);  // it answers, and says what it can do
    co_return;
  }
  auto verdicts = classify(p.out.what, session.host_text());
  apply_rules(c.to, p, session.target().host.name, verdicts);
  const auto trouble = std::ranges::find_if(verdicts, concerns_health);
  if (std::ranges::all_of(verdicts, concerns_health)) {
    went_wrong(c, *trouble);
  } else {
    went_well(c);
  }
  co_await settle(c.to, p, std::move(verdicts));
}

// The content could not be read to its end. Who was refused before stays refused.
net::task<void> engine::spoiled(course& c, client_session& session, parcel& p) {
  const auto why = p.out.content_fault;
  if (why == errc::not_found) {
    come_back(c.to, p, remainder(), false);  // an operator removed it
    co_return;
  }
  const auto for_the_others = unreadable(p.job.message->id, why);
  const auto host = session.host_text();
  std::vector<verdict> verdicts;
  for (const auto& r : p.out.what.results) {
    const bool is_refused = r.remote || r.fault != local_fault::none;
    verdicts.push_back(is_refused ? classify(r, host) : for_the_others);
  }
  verdicts.resize(p.job.recipients.size(), for_the_others);
  co_await settle(c.to, p, std::move(verdicts));
}

net::task<void> engine::settle(destination& to, parcel& p, std::vector<verdict> verdicts) {
  // Lost behind the end of the content: at its own time, not as soon as the destination answers.
  const bool for_destination = std::ranges::all_of(verdicts, [](const verdict& v) {
    return v.what != outcome::deferred || (concerns_health(v) && !v.may_be_delivered);
  });
  const bool is_lost = std::ranges::any_of(verdicts, &verdict::may_be_delivered);
  auto rest = co_await settler_.settle(p.job, routes_.at(to.hop), std::move(verdicts), p.how);
  come_back(to, p, std::move(rest), for_destination, is_lost);
}

void engine::apply_rules(destination& to, const parcel& p, const std::string& host,
                         std::vector<verdict>& verdicts) {
  if (rules_.is_empty()) return;
  const auto name = to_lower(host);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto& v = verdicts[i];
    if (!v.remote_replied || v.what == outcome::delivered) continue;
    const auto& path = p.job.message->envelope->forward_paths[p.job.recipients[i]];
    const auto rule = rules_.decide(v.diagnostic, name, to_lower(path.domain()));
    if (rule) apply_rule(to, *rule, v);
  }
}

void engine::apply_rule(destination& to, const policy::reply_decision& rule, verdict& v) {
  using config::reply_action;
  v.reason += " (" + rule.rule + ")";
  const bool bounces = rule.action == reply_action::bounce;
  v.what = bounces ? outcome::bounced : outcome::deferred;
  if (!v.status.empty()) v.status[0] = bounces ? '5' : '4';
  if (rule.action == reply_action::slow_down) {
    auto& part = part_of(to);
    part.bears.pushed_back(std::max<std::size_t>(1, part.connected));
  }
  if (rule.action != reply_action::pause || to.state() == destination_state::paused) return;
  scheduler_.pause(to, world_.clock.now() + rule.time, v.reason);
}

void engine::went_well(course& c) {
  auto& part = part_of(c.to);
  part.troubles = 0;
  part.has_succeeded = true;
  part.bears.succeeded();
  c.mine.is_live();
  if (c.to.failures() > 0) scheduler_.up(c.to);
  wake(c.to);
}

// The session was set up, and nothing came of the transaction.
void engine::went_wrong(course& c, const verdict& why) {
  auto& part = part_of(c.to);
  ++part.troubles;
  const bool is_alone = part.connected <= 1;
  const bool is_refusal = why.whom == blame::host;
  if (c.mine.as == standing::probe || (is_alone && is_refusal) || part.troubles >= most_troubles) {
    is_down(c, why);
  } else {
    part.bears.pushed_back(part.connected);
  }
}

void engine::is_down(course& c, const verdict& why) {
  const auto state = c.to.state();
  const bool was_probe = c.mine.as == standing::probe && state == destination_state::down;
  if (state != destination_state::open && !was_probe) return;  // others have said so
  auto& part = part_of(c.to);
  part.bears.failed();
  part.troubles = 0;
  part.has_succeeded = false;
  const auto& retry = routes_.at(c.to.hop).retry;
  const auto wait = policy::probe_interval(retry, c.to.failures() + 1, world_.random);
  scheduler_.down(c.to, world_.clock.now() + wait, why.reason);
  wake(c.to);
}

}  // namespace relais::delivery
