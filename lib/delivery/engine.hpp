// Moves what is ready to its next hops, for the destinations that this worker owns: begins sessions
// within the limits (of all workers, of the destination, of its pace), lets each serve one job
// after the other, overlapping, and turns what an attempt comes to into the next step: finished,
// later, when the destination answers again, by the fallback. While the spool cannot record
// anything, nothing is begun: a delivery that is not recorded is repeated.
//
// A destination that does not answer is down: everything for it waits, one probe per interval looks
// whether it answers again, and then the rest follows by slow start (docs/architecture.md).
//
// Not here: the order of jobs (queue::scheduler), hosts and idle sessions (connections), what a
// reply means (classify), states and reports (settler). One per worker.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "delivery/connection_slots.hpp"
#include "delivery/connections.hpp"
#include "delivery/outbound.hpp"
#include "delivery/parcel.hpp"
#include "delivery/settler.hpp"
#include "net/task_group.hpp"
#include "policy/reply_rules.hpp"
#include "queue/dispatcher.hpp"

namespace relais::delivery {

/// All outlive the engine.
struct engine_world {
  const net::runtime& world;
  const config::settings& settings;
  const policy::routes& routes;
  const policy::reply_rules& rules;
  queue::scheduler& scheduler;
  queue::dispatcher& dispatcher;
  queue::spool_gate& gate;
  connections& hosts;
  settler& outcomes;
  queue::memory_budget& budget;
  connection_slots& slots;
  std::size_t workers = 1;  ///< who share the slots
  event_sink& events;
};

class engine {
 public:
  explicit engine(engine_world surroundings);
  ~engine();

  /// Nothing new begins; transactions under way may finish. A session that has not begun any, since
  /// it still looks for a connection, ends at once: its job goes back, and nothing is counted.
  void drain();
  /// Ends every session now; what was under way stays in the spool and is tried again.
  void stop() { sessions_.stop(); }
  net::task<bool> join(duration limit) { return sessions_.join(limit); }

 private:
  struct handful;
  struct tenure;  // a session's hold of a destination and of a slot
  struct course;  // of one session: its destination, its parcels, what has to be tried elsewhere

  // engine.cpp: who may begin.
  outbound& part_of(queue::destination& to);
  void wake(queue::destination& to);
  bool wants_session(const queue::destination& to, const outbound& part) const;
  bool begin(queue::destination& to, outbound& part);
  void start(queue::destination& to, outbound& part, standing as);
  bool may_begin();
  bool take_slot();
  bool is_paced(queue::destination& to, outbound& part);
  void ring_at(queue::destination& to, outbound& part, steady_time at);
  void wait_in_line(queue::destination& to, outbound& part, standing as);
  void serve_lines();
  bool can_serve_line() const;
  queue::destination* next_in_line();
  void host_is_free();
  void try_for_a_host();
  void rest(queue::destination& to);
  bool remember(queue::destination& to, outbound& part);
  void forget_idle();
  bool others_wait() const;

  // engine_session.cpp: a session from its first job to its last.
  net::task<void> serve(queue::destination& to, standing as, net::task_group::task_id me);
  net::task<void> work(tenure& mine);
  net::task<void> work_on_connection(course& c, bool is_fresh);
  net::task<reached> connect(const course& c, const unmet_need* need, bool is_fresh);
  bool take_again(course& c);
  void begin_attempt(parcel& p, queue::delivery_job job);
  bool next_job(course& c, parcel& into);
  net::task<bool> load(course& c, parcel& p, client_session& session);
  net::task<void> wait_or_expire(course& c, parcel& p, std::string why);
  bool may_stay(const course& c) const;
  bool may_go_on(const course& c, const client_session& session) const;
  bool may_go_ahead(const course& c, const client_session& session);
  net::task<void> transact(course& c, reached& way);
  bool may_continue(course& c, client_session& session);
  net::task<void> unreachable(course& c, reached way);
  net::task<void> try_elsewhere(course& c);
  net::task<void> try_elsewhere(course& c, parcel& p, unmet_need need);

  // engine_outcome.cpp: what an attempt comes to.
  net::task<void> conclude(course& c, client_session& session, parcel& p);
  net::task<void> spoiled(course& c, client_session& session, parcel& p);
  net::task<void> settle(queue::destination& to, parcel& p, std::vector<verdict> verdicts);
  void take_out_overflow(queue::destination& to, parcel& p);
  void take_out_refused(course& c, client_session& session, parcel& p);
  void apply_rules(queue::destination& to, const parcel& p, const std::string& host,
                   std::vector<verdict>& verdicts);
  void apply_rule(queue::destination& to, const policy::reply_decision& rule, verdict& v);
  void went_well(course& c);
  void went_wrong(course& c, const verdict& why);
  void is_down(course& c, const verdict& why);

  // engine_jobs.cpp: jobs that go back into the schedule.
  void come_back(queue::destination& to, parcel& p, remainder rest, bool for_destination,
                 bool is_lost = false);
  void put_back(queue::destination& to, parcel& p);
  void later(queue::destination& to, parcel& p, duration wait);
  void take_fallback(queue::destination& to, queue::delivery_job job);
  verdict unreadable(queue_id id, error_code why);

  // engine_closed.cpp: what needs no session.
  void look_at(queue::destination& to);
  void call_clerk();
  net::task<void> clerk();
  net::task<bool> look(queue::destination& to);
  net::task<void> tell(queue::destination& to, parcel& p);
  net::task<void> carry_out(queue::destination& to, parcel& p);
  net::task<void> hold(queue::destination& to, parcel& p);

  const net::runtime& world_;
  const config::settings& settings_;
  const policy::routes& routes_;
  const policy::reply_rules& rules_;
  queue::scheduler& scheduler_;
  queue::dispatcher& dispatcher_;
  queue::spool_gate& gate_;
  delivery::connections& hosts_;
  settler& settler_;
  connection_slots& slots_;
  event_sink& events_;
  loader loader_;
  std::size_t me_;  // as the slots know this worker

  struct line {
    std::deque<queue::destination*> waiting;
    std::size_t running = 0;
    std::size_t most = 1;  ///< sessions at a time
  };
  line& line_of(standing s) { return lines_[static_cast<std::size_t>(s)]; }
  std::array<line, 3> lines_;  // by standing
  std::size_t turn_ = 0;       // whose line is next
  std::size_t granted_ = 0;    // slots that are ours and not used yet
  std::deque<queue::destination*>
      for_a_host_;  // whose hosts have all the connections they may have
  std::size_t host_tries_ = 0;
  std::deque<queue::destination*> to_look_at_;
  std::size_t clerks_ = 0;
  struct idle_entry {
    steady_time until;
    policy::next_hop hop;
  };
  std::deque<idle_entry> idle_;
  std::unique_ptr<net::alarm> idle_alarm_;
  std::unique_ptr<net::alarm> look_again_;  // while the spool has failed
  bool spool_failed_ = false;
  bool draining_ = false;
  std::unordered_set<net::task_group::task_id> connecting_;  // sessions that have no connection yet
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::task_group sessions_;
};

}  // namespace relais::delivery
