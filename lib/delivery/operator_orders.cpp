// The operator's hand, changing: hold, release, remove, bounce, retry, reroute. An order is carried
// out batch by batch, each in the same steps: jobs leave the schedules, the change becomes durable,
// what is to go on is scheduled again.
#include "base/error.hpp"
#include "base/text.hpp"
#include "delivery/operator_parts.hpp"

namespace relais::delivery {

namespace {

constexpr std::size_t batch_of_all = 10'000;  // as the schedules are gone through for each
constexpr std::size_t batch_of_ids = 1'000;
constexpr std::size_t bounces_at_a_time = 16;  // each may hold a report in memory

/// What becomes of it while it is being delivered.
std::string in_hand_sentence(queue_verb verb) {
  switch (verb) {
    case queue_verb::hold: return "held, but it is being delivered now";
    case queue_verb::remove: return "removed, but it is being delivered now";
    case queue_verb::bounce: return "is being delivered now, bounced if that fails";
    case queue_verb::reroute: return "is being delivered now, rerouted if that fails";
    case queue_verb::release: return "released, while it is still being delivered";
    case queue_verb::retry: return "is being delivered now";
  }
  return "";
}

}  // namespace

/// Finds what is meant, and gives it to the hand batch by batch.
class run_of_order final : public outcome_stream {
 public:
  using candidate = operator_hand::candidate;

  run_of_order(operator_hand& hand, order what) : hand_(hand), what_(std::move(what)) {}

  net::task<std::vector<order_outcome>> next() override {
    std::vector<candidate> batch;
    const auto& ids = what_.which->asked().ids;
    if (!ids.empty()) {
      batch = co_await look_up_some();
    } else {
      while (batch.size() < batch_of_all && part_ < spool::store::parts) {
        auto more = co_await read_part();
        std::ranges::move(more, std::back_inserter(batch));
        ++part_;
      }
    }
    judge(batch);
    if (!what_.is_dry && !batch.empty()) {
      const auto turn = co_await hand_.begin_turn();
      co_await perform(batch);
    }
    std::vector<order_outcome> outcomes;
    outcomes.reserve(batch.size());
    for (auto& c : batch) outcomes.push_back(std::move(c.seen));
    co_return outcomes;
  }

 private:
  // A route that holds would hold a released message again: it goes on by its recipients' domain,
  // if that is one.
  static void find_way_on(candidate& c, const spool::stored_message& m,
                          const policy::routes& routes, wall_time now) {
    std::set<std::string> domains;
    for (std::size_t i = 0; i < m.recipients.size(); ++i) {
      if (m.recipients[i].status != spool::recipient_status::pending) continue;
      const auto hop = queue::hop_of(routes, m, i, now);
      if (routes.at(hop).action == config::route_action::hold) c.way_on.emplace();
      domains.insert(to_lower(m.envelope.forward_paths[i].domain()));
    }
    if (c.way_on && domains.size() == 1 && routes.parse(*domains.begin())) {
      c.way_on = *domains.begin();
    }
  }

  static candidate of(const spool::stored_message& m, std::vector<std::size_t> recipients) {
    candidate c;
    c.seen.id = m.id;
    c.seen.octets = m.content_size;
    c.seen.sender = m.envelope.reverse_path.text();
    c.seen.recipients = recipients.size();
    c.seen.pending = pending_count(m);
    c.recipients = std::move(recipients);
    c.is_held = m.is_held;
    return c;
  }

  // Whatever goes wrong half-way: what is out of the schedules comes back to them.
  net::task<void> perform(std::vector<candidate>& batch) {
    std::exception_ptr failure;
    try {
      co_await hand_.perform(what_, batch);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) co_return;
    std::vector<queue_id> all;
    for (const auto& c : batch) all.push_back(c.seen.id);
    co_await hand_.add_again(std::move(all), false);
    std::rethrow_exception(failure);
  }

  net::task<std::vector<candidate>> read_part() {
    const auto now = hand_.here().clock.wall();
    std::function<std::vector<candidate>()> work = [&store = hand_.around_.store,
                                                    &routes = hand_.around_.routes,
                                                    which = what_.which, part = part_, now] {
      std::vector<candidate> found;
      for (const auto& m : store.messages(part)) {
        auto recipients = meant(*which, routes, m, now);
        if (recipients.empty()) continue;
        found.push_back(of(m, std::move(recipients)));
        find_way_on(found.back(), m, routes, now);
      }
      return found;
    };
    auto there = place_of(hand_.around_.readers);
    co_return co_await errand<std::vector<candidate>>(hand_.here().executor, std::move(there),
                                                      std::move(work));
  }

  // With other criteria besides, those that do not meet them are not meant; an id that does not
  // exist is told in any case.
  net::task<std::vector<candidate>> look_up_some() {
    const auto now = hand_.here().clock.wall();
    const auto& ids = what_.which->asked().ids;
    std::vector<candidate> batch;
    while (batch.empty() && next_id_ < ids.size()) {
      const auto count = std::min(batch_of_ids, ids.size() - next_id_);
      const auto first = ids.begin() + static_cast<std::ptrdiff_t>(next_id_);
      std::vector<queue_id> some(first, first + static_cast<std::ptrdiff_t>(count));
      next_id_ += count;
      std::function<std::vector<candidate>()> work =
          [&store = hand_.around_.store, &routes = hand_.around_.routes, which = what_.which,
           some = std::move(some), now] {
            std::vector<candidate> found;
            for (const auto id : some) {
              const auto m = store.look_up(id);
              if (!m) {
                found.emplace_back().seen.id = id;
                found.back().seen.is_known = false;
                continue;
              }
              auto recipients = meant(*which, routes, *m, now);
              if (recipients.empty()) continue;
              found.push_back(of(*m, std::move(recipients)));
              find_way_on(found.back(), *m, routes, now);
            }
            return found;
          };
      auto there = place_of(hand_.around_.readers);
      batch = co_await errand<std::vector<candidate>>(hand_.here().executor, std::move(there),
                                                      std::move(work));
    }
    co_return batch;
  }

  void judge(std::vector<candidate>& batch) const {
    for (auto& c : batch) {
      delivery::judge(c.seen, what_.verb, c.is_held);
      const bool stays = c.way_on && c.way_on->empty() && what_.verb == queue_verb::release;
      if (!stays || !c.seen.changes) continue;
      c.seen.changes = false;
      c.seen.sentence = "is held by its route, reroute it";
    }
  }

  operator_hand& hand_;
  order what_;
  std::size_t part_ = 0;
  std::size_t next_id_ = 0;
};

std::unique_ptr<outcome_stream> operator_hand::carry_out(order what) {
  return std::make_unique<run_of_order>(*this, std::move(what));
}

net::task<void> operator_hand::perform(const order& what, std::vector<candidate>& batch) {
  std::vector<candidate*> meant;
  for (auto& c : batch)
    if (c.seen.changes) meant.push_back(&c);
  if (meant.empty()) co_return;
  co_await let_arrive();
  switch (what.verb) {
    case queue_verb::hold: co_await hold(meant); break;
    case queue_verb::release: co_await release(meant); break;
    case queue_verb::remove: co_await remove(meant); break;
    case queue_verb::bounce: co_await bounce(meant); break;
    case queue_verb::retry: co_await retry(meant); break;
    case queue_verb::reroute: co_await reroute(what, meant); break;
  }
  for (auto* c : meant) {
    auto& o = c->seen;
    if (o.error == errc::not_found) {  // delivered while the order was carried out
      o.error = error_code();
      o.is_known = true;
      o.changes = false;
      o.sentence = "had left the queue already";
    } else if (o.error) {
      o.changes = false;
      o.sentence = "not " + std::string(done_word(what.verb)) + ": " + o.error.message();
    } else {
      o.sentence = o.is_in_hand ? in_hand_sentence(what.verb) : std::string(done_word(what.verb));
    }
    log(what, *c);
  }
}

void operator_hand::log(const order& what, const candidate& c) {
  const auto text = c.seen.id.text() + ": " + c.seen.sentence + " (by " + what.by + ")";
  around_.events.emit(events::notice{"control", static_cast<bool>(c.seen.error), text});
}

// What could not be recorded stays as it was: it goes back into the schedules.
net::task<void> operator_hand::settle_batch(std::vector<candidate*>& batch,
                                            std::vector<spool::state_change> changes) {
  const auto errors = co_await settle(std::move(changes));
  std::vector<queue_id> again;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& o = batch[i]->seen;
    o.error = errors[i];
    if (!o.error) continue;
    if (o.error == errc::not_found)
      o.is_known = false;  // it has left meanwhile
    else
      again.push_back(o.id);
  }
  co_await add_again(std::move(again), false);
}

operator_hand::shared_ids operator_hand::ids_of(const std::vector<candidate*>& batch) {
  auto ids = std::make_shared<id_set>();
  for (const auto* c : batch) ids->insert(c->seen.id);
  return ids;
}

net::task<void> operator_hand::withdraw_batch(std::vector<candidate*>& batch) {
  auto ids = ids_of(batch);
  const auto in_hand = co_await withdraw(std::move(ids));
  for (auto* c : batch) c->seen.is_in_hand = in_hand.contains(c->seen.id);
}

net::task<void> operator_hand::hold(std::vector<candidate*>& batch) {
  co_await withdraw_batch(batch);
  std::vector<spool::state_change> changes;
  for (const auto* c : batch) {
    auto& change = changes.emplace_back();
    change.id = c->seen.id;
    change.hold = true;
  }
  co_await settle_batch(batch, std::move(changes));
}

net::task<void> operator_hand::release(std::vector<candidate*>& batch) {
  // Where a route held it, recipients with another way are scheduled all the same.
  co_await withdraw_batch(batch);
  std::vector<spool::state_change> changes;
  for (const auto* c : batch) {
    auto& change = changes.emplace_back();
    change.id = c->seen.id;
    change.hold = false;
    if (c->way_on) change.next_hop = *c->way_on;
  }
  co_await settle_batch(batch, std::move(changes));
  co_await go_on(batch);
}

// Also those that are being delivered: add_again() waits for the end of that.
net::task<void> operator_hand::go_on(const std::vector<candidate*>& batch) {
  std::vector<queue_id> again;
  for (const auto* c : batch)
    if (!c->seen.error) again.push_back(c->seen.id);
  co_await add_again(std::move(again), true);
}

net::task<void> operator_hand::remove(std::vector<candidate*>& batch) {
  co_await withdraw_batch(batch);
  auto changes = co_await removals(batch);
  co_await settle_batch(batch, std::move(changes));
  std::vector<queue_id> rest;
  for (auto* c : batch) {
    if (c->seen.error) continue;
    if (c->seen.is_in_hand)
      do_afterwards(c->seen.id, queue_verb::remove, c->recipients, false);
    else if (c->seen.recipients < c->seen.pending)
      rest.push_back(c->seen.id);
  }
  co_await add_again(std::move(rest), false);
}

// As the states are now: an attempt may have ended since they were found.
net::task<std::vector<spool::state_change>> operator_hand::removals(
    const std::vector<candidate*>& batch) {
  const auto wanted = std::make_shared<std::vector<candidate>>();
  for (const auto* c : batch) wanted->push_back(*c);
  std::function<std::vector<spool::state_change>()> work = [&store = around_.store, wanted] {
    std::vector<spool::state_change> changes;
    for (const auto& c : *wanted) {
      const auto m = store.look_up(c.seen.id);
      auto& change = changes.emplace_back();
      if (m) change = removal_of(*m, c.recipients);
      change.id = c.seen.id;
    }
    return changes;
  };
  auto there = place_of(around_.readers);
  co_return co_await errand<std::vector<spool::state_change>>(here().executor, std::move(there),
                                                              std::move(work));
}

net::task<void> operator_hand::retry(std::vector<candidate*>& batch) {
  auto ids = ids_of(batch);
  co_await hurry(std::move(ids));
}

net::task<void> operator_hand::reroute(const order& what, std::vector<candidate*>& batch) {
  co_await withdraw_batch(batch);
  std::vector<spool::state_change> changes;
  for (const auto* c : batch) {
    auto& change = changes.emplace_back();
    change.id = c->seen.id;
    change.next_hop = what.next_hop;
  }
  co_await settle_batch(batch, std::move(changes));
  co_await go_on(batch);
}

// Its own copies: whoever gave the order may be gone before it is carried out.
struct operator_hand::bounce_work {
  explicit bounce_work(const net::asio::any_io_executor& executor) : over(executor) {}
  std::vector<candidate> batch;
  std::size_t next = 0;
  std::size_t lanes = 0;
  net::condition over;
};

net::task<void> operator_hand::bounce(std::vector<candidate*>& batch) {
  co_await withdraw_batch(batch);
  co_await let_states_arrive();
  const auto work = std::make_shared<bounce_work>(here().executor);
  for (const auto* c : batch) {
    if (c->seen.is_in_hand) do_afterwards(c->seen.id, queue_verb::bounce, c->recipients, false);
    work->batch.push_back(*c);
  }
  for (std::size_t i = 0; i < bounces_at_a_time && i < work->batch.size(); ++i) {
    ++work->lanes;
    tasks_.spawn("operator's bounces", bounce_lane(work));
  }
  while (work->lanes > 0) co_await work->over.wait();
  std::vector<queue_id> rest;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& o = batch[i]->seen;
    o.error = work->batch[i].seen.error;
    if (o.is_in_hand) continue;
    if (o.error || o.recipients < o.pending) rest.push_back(o.id);
  }
  co_await add_again(std::move(rest), false);
}

net::task<void> operator_hand::bounce_lane(std::shared_ptr<bounce_work> work) {
  struct lane {
    explicit lane(std::shared_ptr<bounce_work> of) : all(std::move(of)) {}
    ~lane() {
      --all->lanes;
      all->over.notify_all();
    }
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;
    std::shared_ptr<bounce_work> all;
  };
  const lane here_until_the_end(work);
  while (work->next < work->batch.size()) {
    auto& c = work->batch[work->next++];
    if (c.seen.is_in_hand) continue;
    const auto id = c.seen.id;
    auto recipients = c.recipients;
    // Until it is known: an exception leaves it so.
    c.seen.error = make_error_code(errc::cancelled);
    c.seen.error = co_await bounce_one(id, std::move(recipients));
  }
}

net::task<error_code> operator_hand::bounce_one(queue_id id, std::vector<std::size_t> recipients) {
  const auto stored = co_await look_up(id);
  if (!stored) co_return errc::not_found;
  const auto message = queue::make_queued(*stored);
  std::map<policy::next_hop, std::vector<std::size_t>> ways;
  for (const auto i : recipients) {
    if (stored->recipients.at(i).status != spool::recipient_status::pending) continue;
    const auto hop = queue::hop_of(around_.routes, *stored, i, here().clock.wall());
    ways[hop].push_back(i);
  }
  bool is_recorded = true;
  for (const auto& [hop, some] : ways) {
    queue::delivery_job job;
    job.message = message;
    job.recipients = some;
    std::vector<verdict> verdicts;
    for (const auto i : some) {
      const auto& state = stored->recipients.at(i);
      job.attempts = std::max(job.attempts, state.attempts);
      job.warnings = std::max(job.warnings, state.warnings);
      std::string why = "given up by the postmaster";
      if (!state.diagnostic.empty()) why += "; the last attempt: " + state.diagnostic;
      verdicts.emplace_back(outcome::bounced, blame::recipient, "5.0.0", std::move(why));
    }
    attempt how;
    how.is_untried = true;
    how.began = how.connected = job.ready_since = here().clock.now();
    const auto& way = around_.routes.at(hop);
    const auto left = co_await around_.reports.settle(job, way, std::move(verdicts), how);
    is_recorded = is_recorded && left.recipients.empty();
  }
  co_return is_recorded ? error_code() : make_error_code(errc::io_error);
}

}  // namespace relais::delivery
