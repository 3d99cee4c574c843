// Moves what is ready to its next hops: opens connections within the limits, reuses each for as
// long as there is work, and hands every outcome to the settler. When no host of a destination can
// be reached, everything that is ready for it shares that one attempt. While the spool cannot
// record anything, nothing is begun: a delivery that is not recorded is repeated. Belongs to one
// worker.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "delivery/client_session.hpp"
#include "delivery/settler.hpp"
#include "dns/hosts.hpp"
#include "net/task_group.hpp"

namespace relais::delivery {

struct engine_options {
  session_options session;  ///< `login` and `verify_name` are for the smarthost
  std::size_t connections = 100;
  std::size_t connections_per_destination = 20;
  unsigned transactions_per_connection = 100;
  std::size_t hosts_per_attempt = 5;
  dns::host_options hosts;  ///< without is_own_address, which depends on the port
  std::function<bool(const endpoint&)> is_own;  ///< one of our listeners: mail would come back
};

class engine {
 public:
  engine(const net::runtime& world, engine_options options, dns::resolver& resolver,
         queue::scheduler& scheduler, queue::spool_gate& gate, settler& settler,
         queue::memory_budget& budget, event_sink& events);

  /// No new connections; transactions under way may finish.
  void drain() noexcept { draining_ = true; }
  /// Ends every session now; what was under way stays in the spool and is tried again.
  void stop() { sessions_.stop(); }
  net::task<bool> join(duration limit) { return sessions_.join(limit); }
  std::size_t connections() const noexcept { return sessions_.size(); }

 private:
  struct opened {
    std::unique_ptr<client_session> session;  // null: nothing could be reached, `why` says it
    verdict why;
    attempt how;
  };
  void wake(queue::destination& to);
  void wait_in_line(queue::destination& to);
  void serve_line();
  /// False: the spool has failed; the line is looked at again later.
  bool may_begin();
  net::task<void> serve(queue::destination& to);
  net::task<void> work(queue::destination& to);
  /// What a job needs that one host did not offer: another may.
  struct unmet_need {
    const queue::delivery_job& job;
    ip_address not_there;
    verdict said;
  };
  /// With `need`: to a host that can take the job; else `why` says what all lack.
  net::task<opened> open(const queue::destination& to, const unmet_need* need);
  net::task<bool> deliver(queue::destination& to, queue::delivery_job job, client_session& session,
                          attempt how);
  net::task<void> deliver_elsewhere(queue::destination& to, queue::delivery_job job,
                                    ip_address not_there, verdict said);
  /// Where the content comes from; `lease` is for the memory that it takes.
  struct found_content {
    std::shared_ptr<const spool::message> whole;
    std::unique_ptr<content_source> source;  // null: `error`, or no memory for now
    error_code error;
    found_content() = default;
  };
  net::task<found_content> find_content(const queue::queued_message& message,
                                        queue::memory_lease& lease);
  verdict unreadable(queue_id id, error_code why);
  net::task<void> fail_all(queue::destination& to, queue::delivery_job job, opened failed);
  session_options options_for(const queue::destination& to) const;

  const net::runtime& world_;
  engine_options options_;
  dns::resolver& resolver_;
  queue::scheduler& scheduler_;
  queue::spool_gate& gate_;
  settler& settler_;
  queue::memory_budget& budget_;
  event_sink& events_;
  net::task_group sessions_;
  std::size_t running_ = 0;
  std::deque<queue::destination*> line_;    // destinations that wait for a free connection
  std::unique_ptr<net::alarm> look_again_;  // while the spool has failed
  bool paused_ = false;
  bool draining_ = false;
};

}  // namespace relais::delivery
