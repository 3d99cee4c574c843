#include "delivery/operator_hand.hpp"

#include "base/error.hpp"
#include "delivery/operator_parts.hpp"

namespace relais::delivery {

using namespace std::chrono_literals;

namespace {
// How often it is looked whether the attempts are over that orders wait for.
constexpr auto look_interval = 500ms;
}  // namespace

operator_hand::operator_hand(operator_world surroundings, std::string_view remembered)
    : around_(std::move(surroundings)),
      since_(here().clock.wall()),
      tasks_(here(),
             [this](const std::string& label, const std::string& what) {
               const auto text = label + " ended by an exception: " + what;
               around_.events.emit(events::notice{"control", true, text});
             }),
      turns_(std::make_shared<turns>(here().executor)) {
  look_again_ =
      here().alarms.make([this] { tasks_.spawn("operator's orders left over", look_after()); });
  suspend_remembered(remembered);
}

operator_hand::~operator_hand() = default;

void operator_hand::stop() {
  look_again_->clear();
  tasks_.stop();
}

net::task<std::shared_ptr<void>> operator_hand::begin_turn() {
  const auto all = turns_;
  while (all->is_taken) co_await all->over.wait();
  all->is_taken = true;
  co_return std::shared_ptr<void>(all.get(), [all](void*) {
    all->is_taken = false;
    all->over.notify_all();
  });
}

net::task<void> operator_hand::let_arrive() {
  // From the committer to the session, from there to the owner of the destination: what was in the
  // index when it was looked at has been posted by now, and goes on by posts.
  for (int hops = 0; hops < 4; ++hops) {
    for (const auto& w : around_.workers) {
      std::function<bool()> nothing = [] { return true; };
      auto there = place_of(*w.world);
      co_await errand<bool>(here().executor, std::move(there), std::move(nothing));
    }
  }
}

net::task<operator_hand::id_set> operator_hand::withdraw(shared_ids ids) {
  for (const auto& w : around_.workers) {
    queue::scheduler::position at = 0;
    do {
      std::function<queue::scheduler::position()> piece = [scheduler = w.scheduler, at, ids] {
        return scheduler->withdraw(at, jobs_per_turn, *ids);
      };
      auto there = place_of(*w.world);
      at = co_await errand<queue::scheduler::position>(here().executor, std::move(there),
                                                       std::move(piece));
    } while (at != 0);
  }
  co_return co_await still_in_hand(std::move(ids));
}

net::task<operator_hand::id_set> operator_hand::still_in_hand(shared_ids ids) {
  id_set all;
  for (const auto& w : around_.workers) {
    std::function<std::vector<queue_id>()> ask = [scheduler = w.scheduler, ids] {
      std::vector<queue_id> in_hand;
      for (const auto id : *ids)
        if (scheduler->is_withdrawn(id)) in_hand.push_back(id);
      return in_hand;
    };
    auto there = place_of(*w.world);
    const auto some =
        co_await errand<std::vector<queue_id>>(here().executor, std::move(there), std::move(ask));
    all.insert(some.begin(), some.end());
  }
  co_return all;
}

net::task<bool> operator_hand::hurry(shared_ids ids) {
  for (const auto& w : around_.workers) {
    queue::scheduler::position at = 0;
    do {
      std::function<queue::scheduler::position()> piece = [scheduler = w.scheduler, at, ids] {
        return scheduler->hurry(at, jobs_per_turn, ids.get());
      };
      auto there = place_of(*w.world);
      at = co_await errand<queue::scheduler::position>(here().executor, std::move(there),
                                                       std::move(piece));
    } while (at != 0);
  }
  co_return true;
}

net::task<std::vector<error_code>> operator_hand::settle(std::vector<spool::state_change> changes) {
  if (changes.empty()) co_return std::vector<error_code>();
  const auto sink = std::make_shared<settling>(changes.size(), here().executor);
  settling_.push_back(sink);
  const auto all = std::make_shared<std::vector<spool::state_change>>(std::move(changes));
  // So many calls take their time.
  std::function<bool()> hand_over = [&store = around_.store, sink, all] {
    std::uint64_t token = 0;
    for (auto& change : *all) store.settle(std::move(change), token++, *sink);
    return true;
  };
  auto there = place_of(around_.readers);
  co_await errand<bool>(here().executor, std::move(there), std::move(hand_over));
  while (!sink->is_over) co_await sink->done.wait();
  std::erase(settling_, sink);
  co_return std::move(sink->outcomes);
}

net::task<std::optional<spool::stored_message>> operator_hand::look_up(queue_id id) {
  std::function<std::optional<spool::stored_message>()> work = [&store = around_.store, id] {
    return store.look_up(id);
  };
  auto there = place_of(around_.readers);
  co_return co_await errand<std::optional<spool::stored_message>>(here().executor, std::move(there),
                                                                  std::move(work));
}

// What an attempt came to is noted lazily: behind this, the index knows of all that have ended.
net::task<bool> operator_hand::let_states_arrive() {
  const auto sink = std::make_shared<settling>(1, here().executor);
  settling_.push_back(sink);
  around_.store.flush([sink](error_code error) {
    spool::completion all;
    all.error = error;
    sink->complete({all});
  });
  while (!sink->is_over) co_await sink->done.wait();
  std::erase(settling_, sink);
  co_return true;
}

// Whatever else was scheduled of them meanwhile is withdrawn first: nothing is scheduled twice.
net::task<bool> operator_hand::add_again(std::vector<queue_id> ids, bool at_once) {
  if (ids.empty()) co_return true;
  auto all = std::make_shared<id_set>(ids.begin(), ids.end());
  const auto in_hand = co_await withdraw(std::move(all));
  co_await let_states_arrive();
  for (const auto id : in_hand) do_afterwards(id, queue_verb::release, {}, at_once);
  std::erase_if(ids, [&](queue_id id) { return in_hand.contains(id); });
  for (std::size_t done = 0; done < ids.size(); done += messages_per_turn) {
    const auto end = std::min(ids.size(), done + messages_per_turn);
    std::vector<queue_id> some(ids.begin() + static_cast<std::ptrdiff_t>(done),
                               ids.begin() + static_cast<std::ptrdiff_t>(end));
    std::function<std::vector<spool::stored_message>()> work = [&store = around_.store,
                                                                some = std::move(some), at_once] {
      std::vector<spool::stored_message> found;
      for (const auto id : some) {
        auto message = store.look_up(id);
        if (!message || message->is_held) continue;
        if (at_once)
          for (auto& r : message->recipients) r.next_attempt = {};
        found.push_back(std::move(*message));
      }
      return found;
    };
    auto there = place_of(around_.readers);
    const auto found = co_await errand<std::vector<spool::stored_message>>(
        here().executor, std::move(there), std::move(work));
    for (const auto& m : found) around_.dispatcher.add(m, around_.longest_wait);
  }
  co_return true;
}

void operator_hand::do_afterwards(queue_id id, queue_verb verb,
                                  const std::vector<std::size_t>& recipients, bool at_once) {
  // One for each message and verb; what is only scheduled again is one verb.
  const bool is_final = verb == queue_verb::remove || verb == queue_verb::bounce;
  const auto kind = is_final ? verb : queue_verb::release;
  auto known = std::ranges::find_if(
      afterwards_, [&](const afterwards& a) { return a.id == id && a.verb == kind; });
  if (known == afterwards_.end()) {
    known = afterwards_.emplace(known);
    known->id = id;
    known->verb = kind;
  }
  known->recipients.insert(known->recipients.end(), recipients.begin(), recipients.end());
  std::ranges::sort(known->recipients);
  const auto doubles = std::ranges::unique(known->recipients);
  known->recipients.erase(doubles.begin(), doubles.end());
  known->at_once = known->at_once || at_once;
  look_again_->set(here().clock.now() + look_interval);
}

net::task<void> operator_hand::look_after() {
  const auto turn = co_await begin_turn();
  auto waiting = std::exchange(afterwards_, {});
  auto ids = std::make_shared<id_set>();
  for (const auto& a : waiting) ids->insert(a.id);
  const auto in_hand = co_await still_in_hand(ids);
  for (auto& a : waiting) {
    if (in_hand.contains(a.id)) {
      do_afterwards(a.id, a.verb, a.recipients, a.at_once);
    } else {
      co_await finish(std::move(a));
    }
  }
  if (!afterwards_.empty()) look_again_->set(here().clock.now() + look_interval);
}

// The attempt is over, and the schedule has forgotten what was left of it.
net::task<void> operator_hand::finish(afterwards what) {
  const auto id = what.id;
  // Another order may have scheduled it meanwhile, and it may be in hand again.
  auto one = std::make_shared<id_set>();
  one->insert(id);
  const auto in_hand = co_await withdraw(std::move(one));
  if (!in_hand.empty()) {
    do_afterwards(id, what.verb, what.recipients, what.at_once);
    co_return;
  }
  co_await let_states_arrive();
  auto left = co_await look_up(id);
  if (!left) co_return;
  if (what.verb == queue_verb::remove) {
    // The attempt may have noted its recipients as deferred meanwhile.
    std::vector<spool::state_change> changes(1);
    changes[0] = removal_of(*left, what.recipients);
    if (!changes[0].entries.empty()) co_await settle(std::move(changes));
  } else if (what.verb == queue_verb::bounce) {
    co_await bounce_one(id, std::move(what.recipients));
  }
  std::vector<queue_id> again(1, id);
  co_await add_again(std::move(again), what.at_once);
}

}  // namespace relais::delivery
