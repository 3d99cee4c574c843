// The operator's hand, looking: lists, one message, its content, how the relay is.
#include "base/error.hpp"
#include "delivery/operator_parts.hpp"

namespace relais::delivery {

namespace {
// Closed destinations that the status names.
constexpr std::size_t troubles_named = 20;
}  // namespace

/// Part after part of the index, each in the order of ids.
class listing final : public message_stream {
 public:
  using found_message = operator_hand::found_message;

  listing(operator_hand& hand, std::shared_ptr<const queue::selector> which, queue_position from)
      : hand_(hand), which_(std::move(which)), at_(from) {}

  net::task<std::vector<listed_message>> next(std::size_t most) override {
    while (pile_.empty() && at_.part < spool::store::parts) {
      co_await read_part();
      if (pile_.empty()) go_on();
    }
    std::vector<found_message> some;
    const auto end = std::min(most, messages_per_turn);
    while (!pile_.empty() && some.size() < end) {
      some.push_back(std::move(pile_.front()));
      pile_.pop_front();
    }
    if (!some.empty()) at_.after = some.back().what.stored.id;
    if (pile_.empty() && !some.empty()) go_on();
    co_return co_await hand_.with_obstacles(std::move(some));
  }

  std::optional<queue_position> position() const override {
    if (at_.part >= spool::store::parts) return {};
    return at_;
  }

 private:
  void go_on() {
    ++at_.part;
    at_.after = {};
  }

  net::task<void> read_part() {
    const auto now = hand_.here().clock.wall();
    std::function<std::deque<found_message>()> work = [&store = hand_.around_.store,
                                                       &routes = hand_.around_.routes,
                                                       which = which_, at = at_, now] {
      std::deque<found_message> found;
      auto messages = store.messages(at.part);
      std::ranges::sort(messages, {}, &spool::stored_message::id);
      for (auto& m : messages) {
        if (m.id <= at.after || meant(*which, routes, m, now).empty()) continue;
        found_message f;
        f.what = listed(routes, std::move(m), now, f.hops);
        found.push_back(std::move(f));
      }
      return found;
    };
    auto there = place_of(hand_.around_.readers);
    pile_ = co_await errand<std::deque<found_message>>(hand_.here().executor, std::move(there),
                                                       std::move(work));
  }

  operator_hand& hand_;
  std::shared_ptr<const queue::selector> which_;
  queue_position at_;
  std::deque<found_message> pile_;
};

std::unique_ptr<message_stream> operator_hand::list(std::shared_ptr<const queue::selector> which,
                                                    queue_position from) {
  return std::make_unique<listing>(*this, std::move(which), from);
}

net::task<std::vector<listed_message>> operator_hand::with_obstacles(
    std::vector<found_message> found) {
  std::vector<std::set<policy::next_hop>> asked(around_.workers.size());
  for (const auto& f : found)
    for (const auto& hop : f.hops)
      if (hop) asked[owner_of(*hop)].insert(*hop);
  using answers = std::map<policy::next_hop, obstacle>;
  answers known;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (asked[i].empty()) continue;
    const auto& w = around_.workers[i];
    std::function<answers()> ask = [scheduler = w.scheduler, &routes = around_.routes,
                                    &time = w.world->clock, hops = std::move(asked[i])] {
      answers closed;
      for (const auto& hop : hops) {
        const auto* d = scheduler->find(hop);
        if (d == nullptr || d->state() == queue::destination_state::open) continue;
        auto v = view_of_destination(*d, routes, time);
        auto& o = closed[hop];
        o.state = v.state;
        o.reason = std::move(v.reason);
        o.until = v.until;
      }
      return closed;
    };
    auto there = place_of(*w.world);
    auto some = co_await errand<answers>(here().executor, std::move(there), std::move(ask));
    known.merge(some);
  }
  std::vector<listed_message> listed;
  for (auto& f : found) {
    for (std::size_t i = 0; i < f.hops.size(); ++i) {
      if (!f.hops[i]) continue;
      const auto is = known.find(*f.hops[i]);
      if (is != known.end()) f.what.obstacles[i] = is->second;
    }
    listed.push_back(std::move(f.what));
  }
  co_return listed;
}

net::task<std::optional<listed_message>> operator_hand::show(queue_id id) {
  auto stored = co_await look_up(id);
  if (!stored) co_return std::optional<listed_message>();
  std::vector<found_message> one(1);
  one[0].what = listed(around_.routes, std::move(*stored), here().clock.wall(), one[0].hops);
  auto shown = co_await with_obstacles(std::move(one));
  co_return std::optional<listed_message>(std::move(shown.front()));
}

net::task<result<queue::spool_gate::download>> operator_hand::open_content(queue_id id) {
  co_return co_await around_.gate.open_content(id);
}

net::task<result<std::string>> operator_hand::next_piece(queue::spool_gate::download from,
                                                         std::size_t limit) {
  co_return co_await around_.gate.next_piece(std::move(from), limit);
}

namespace {

void add(relay_view& sum, const destination_view& d) {
  ++sum.destinations;
  sum.ready += d.ready;
  sum.waiting += d.waiting;
  sum.stalled += d.stalled;
  sum.in_hand += d.in_hand;
  using enum queue::destination_state;
  if (d.state == open) return;
  if (d.state == down) ++sum.down;
  if (d.state == paused) ++sum.paused;
  if (d.state == suspended) ++sum.suspended;
  const auto mail = [](const destination_view& v) { return v.ready + v.waiting + v.stalled; };
  auto& t = sum.troubles;
  const auto place = std::ranges::upper_bound(t, mail(d), std::greater<>(), mail);
  t.insert(place, d);
  if (t.size() > troubles_named) t.pop_back();
}

}  // namespace

net::task<relay_view> operator_hand::status() {
  relay_view v;
  v.since = since_;
  v.not_ready = around_.intake_fault();
  v.messages = around_.store.status().messages;
  v.clients = around_.clients();
  v.deliveries = around_.deliveries();
  std::function<std::optional<wall_time>()> oldest = [&store = around_.store] {
    const auto id = store.oldest();
    const auto message = id ? store.look_up(*id) : std::nullopt;
    return message ? std::optional(message->arrival) : std::nullopt;
  };
  auto there = place_of(around_.readers);
  v.oldest = co_await errand<std::optional<wall_time>>(here().executor, std::move(there),
                                                       std::move(oldest));
  const auto all = destinations(false);
  for (;;) {
    const auto some = co_await all->next();
    if (some.empty()) break;
    for (const auto& d : some) add(v, d);
  }
  co_return v;
}

}  // namespace relais::delivery
