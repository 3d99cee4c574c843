// The operator's hand on the queue of the daemon: looks at it and changes it while deliveries run.
// It lives on the first worker. The spool is the truth: messages are found there, by the readers,
// and a change is durable before it is told; the schedules of the workers follow. No worker is kept
// for longer than about a millisecond: everything goes piece by piece.
//
// What is being delivered at that moment cannot be taken back: the attempt goes on to its end, and
// what was ordered is done then, with what is left of the message.
//
// Not here: which messages are meant (queue/selection.hpp), how it is asked (http/, relaisctl).
#pragma once

#include <deque>
#include <list>
#include <map>
#include <set>
#include <unordered_set>

#include "base/event.hpp"
#include "delivery/errand.hpp"
#include "delivery/operations.hpp"
#include "delivery/settler.hpp"
#include "net/task_group.hpp"
#include "queue/dispatcher.hpp"

namespace relais::delivery {

/// All outlive the hand.
struct operator_world {
  std::vector<queue::schedule_of_worker> workers;  ///< the first one is where the hand lives
  spool::store& store;
  spool::runner& readers;
  const policy::routes& routes;
  // Of the first worker:
  queue::dispatcher& dispatcher;
  queue::spool_gate& gate;
  settler& reports;
  event_sink& events;
  duration longest_wait{};                    ///< of queue::dispatcher::add()
  std::function<std::string()> queue_fault;   ///< why the queue is not known; "" if it is
  std::function<std::string()> intake_fault;  ///< why no mail is taken; "" if it is
  std::function<std::uint64_t()> clients;     ///< connections of clients
  std::function<std::uint64_t()> deliveries;  ///< connections to next hops
  std::function<void(std::string)> remember;  ///< keeps the suspended destinations, for restarts
};

class operator_hand final : public operations {
 public:
  /// `remembered`: what `remember` got last. Before the workers run: destinations that were
  /// suspended are suspended again.
  operator_hand(operator_world surroundings, std::string_view remembered);
  ~operator_hand() override;
  operator_hand(const operator_hand&) = delete;
  operator_hand& operator=(const operator_hand&) = delete;

  std::string not_ready() const override { return around_.queue_fault(); }
  net::task<relay_view> status() override;
  std::unique_ptr<message_stream> list(std::shared_ptr<const queue::selector> which,
                                       queue_position from) override;
  net::task<std::optional<listed_message>> show(queue_id id) override;
  net::task<result<queue::spool_gate::download>> open_content(queue_id id) override;
  net::task<result<std::string>> next_piece(queue::spool_gate::download from,
                                            std::size_t limit) override;
  std::unique_ptr<outcome_stream> carry_out(order what) override;
  bool is_next_hop(const std::string& text) const override;
  std::unique_ptr<destination_stream> destinations(bool closed_only) override;
  net::task<std::vector<destination_view>> carry_out(destination_verb verb, std::string name,
                                                     std::string by) override;

  /// What was still to be done when an attempt is over is forgotten.
  void stop();
  net::task<bool> join(duration limit) { return tasks_.join(limit); }

 private:
  friend class listing;
  friend class run_of_order;
  friend class run_of_destinations;
  using id_set = std::unordered_set<queue_id>;
  using shared_ids = std::shared_ptr<const id_set>;

  /// A message that is meant.
  struct candidate {
    order_outcome seen;
    std::vector<std::size_t> recipients;  // that are meant
    bool is_held = false;
    std::optional<std::string> way_on;  // released from a route that holds: where to
  };
  struct settling;       // changes on their way to the disk
  struct bounce_work;    // messages that are given up, by several coroutines at a time
  struct found_message;  // with the next hops of its recipients

  struct turns {
    explicit turns(const net::asio::any_io_executor& executor) : over(executor) {}
    net::condition over;
    bool is_taken = false;
  };
  /// Waits until nobody else changes anything, and keeps others waiting as long as the result
  /// lives.
  net::task<std::shared_ptr<void>> begin_turn();
  net::task<void> perform(const order& what, std::vector<candidate>& batch);
  net::task<void> hold(std::vector<candidate*>& batch);
  net::task<void> release(std::vector<candidate*>& batch);
  net::task<void> remove(std::vector<candidate*>& batch);
  net::task<void> bounce(std::vector<candidate*>& batch);
  net::task<void> retry(std::vector<candidate*>& batch);
  net::task<void> reroute(const order& what, std::vector<candidate*>& batch);

  net::task<void> settle_batch(std::vector<candidate*>& batch,
                               std::vector<spool::state_change> changes);
  net::task<void> go_on(const std::vector<candidate*>& batch);
  net::task<void> withdraw_batch(std::vector<candidate*>& batch);
  net::task<std::vector<spool::state_change>> removals(const std::vector<candidate*>& batch);
  static shared_ids ids_of(const std::vector<candidate*>& batch);

  /// Lets what is on its way from the spool to the schedules arrive.
  net::task<void> let_arrive();
  /// Takes jobs out of all schedules; those messages of which one is being delivered.
  net::task<id_set> withdraw(shared_ids ids);
  net::task<id_set> still_in_hand(shared_ids ids);
  net::task<bool> hurry(shared_ids ids);
  net::task<std::vector<error_code>> settle(std::vector<spool::state_change> changes);
  /// What the spool still has of them goes into the schedules.
  net::task<bool> let_states_arrive();
  net::task<bool> add_again(std::vector<queue_id> ids, bool at_once);
  net::task<void> bounce_lane(std::shared_ptr<bounce_work> work);
  net::task<error_code> bounce_one(queue_id id, std::vector<std::size_t> recipients);
  net::task<std::optional<spool::stored_message>> look_up(queue_id id);
  net::task<std::vector<listed_message>> with_obstacles(std::vector<found_message> found);

  /// What is done with a message when its attempt is over.
  struct afterwards {
    queue_id id;
    queue_verb verb = queue_verb::release;  // remove, bounce; else: it is only scheduled again
    std::vector<std::size_t> recipients;
    bool at_once = false;
    afterwards() = default;
  };
  void do_afterwards(queue_id id, queue_verb verb, const std::vector<std::size_t>& recipients,
                     bool at_once);
  net::task<void> look_after();
  net::task<void> finish(afterwards what);

  net::task<std::vector<policy::next_hop>> hops_named(std::string name);
  net::task<bool> retry_destination(policy::next_hop hop);
  net::task<destination_view> view_of(policy::next_hop hop);
  std::size_t owner_of(const policy::next_hop& hop) const {
    return around_.dispatcher.owner_of(hop);
  }
  void suspend_remembered(std::string_view lines);
  void remember_suspended();
  void log(const order& what, const candidate& c);
  const net::runtime& here() const noexcept { return *around_.workers.front().world; }

  operator_world around_;
  wall_time since_;
  net::task_group tasks_;
  std::shared_ptr<turns> turns_;
  std::list<std::shared_ptr<settling>> settling_;
  std::vector<afterwards> afterwards_;
  std::unique_ptr<net::alarm> look_again_;
  std::set<policy::next_hop> suspended_;
};

}  // namespace relais::delivery
